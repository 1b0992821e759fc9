// The address that opens the app on a patient from the record (EHR launch):
// https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch
import { begin, configuration } from "./oauth.js";
import { say, speak } from "./words.js";

speak();
const given = new URLSearchParams(location.search);
try {
  const config = await configuration();
  speak({ title: config.title });
  const iss = given.get("iss") ?? "";
  if (!given.get("launch")) throw new Error(say("no-launch"));
  // Only its own server may launch it: any other could have it send people to a sign-in page made to look like ours.
  if (iss !== config.iss) throw new Error(say("other-server"));
  await begin(config, given.get("launch"));
} catch (error) {
  const problem = document.getElementById("problem");
  problem.hidden = false;
  problem.textContent = error.message;
  document.getElementById("progress").textContent = "";
  problem.focus();
}
