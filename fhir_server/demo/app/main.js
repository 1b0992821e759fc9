// The page of the app: who the patient is, their documents, their measures, and a form to add one.
import { showDocuments } from "./documents.js";
import { Fhir } from "./fhir.js";
import { CATEGORY, observation, read, shown } from "./measures.js";
import { begin, complete, configuration, Ended, resumed } from "./oauth.js";
import { day, language, say, speak } from "./words.js";

const at = (id) => document.getElementById(id);
const CODES = { weight: "http://loinc.org|29463-7", pressure: "http://loinc.org|85354-9" };
const LABELS = { "29463-7": "weight", "85354-9": "pressure" };

let fhir = null;
let config = null;

speak();
await attempt(async () => {
  config = await configuration();
  speak({ title: config.title, ...(config.professional ? { welcome: "welcome-professional" } : {}) });
  at("documents-part").hidden = !config.scope.includes("/DocumentReference.");
  const session = (await complete(config)) ?? resumed(config);
  if (session === null) at("welcome").hidden = false;
  else await enter(session);
});

at("begin").addEventListener("click", () => attempt(() => begin(config)));
at("refresh").addEventListener("click", () => attempt(load));
at("leave").addEventListener("click", () => attempt(leave));
at("add").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(add);
});
for (const radio of document.querySelectorAll("[name=kind]")) radio.addEventListener("change", showKind);

async function enter(session) {
  fhir = new Fhir(session);
  at("welcome").hidden = true;
  at("record").hidden = false;
  // A scope may allow one kind of measure only: what the server would refuse is not offered.
  const kinds = [...document.querySelectorAll("[name=kind]")];
  for (const radio of kinds) radio.closest(".option").hidden = !session.may("Observation", "c", CODES[radio.value]);
  const first = kinds.find((radio) => !radio.closest(".option").hidden);
  at("writing").hidden = first === undefined;
  if (first) first.checked = true;
  showKind();
  at("when").value = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  await load();
}

async function load() {
  said("loading");
  await Promise.all([showPatient(), at("documents-part").hidden ? null : showDocuments(fhir, attempt), showMeasures()]);
  said("loaded");
}

async function leave() {
  await fhir.session.leave();
  fhir = null;
  at("record").hidden = true;
  at("welcome").hidden = false;
  said("left");
  at("begin").focus();
}

async function showPatient() {
  if (!fhir.session.may("Patient", "r")) {
    at("patient-name").textContent = say("not-granted");
    return;
  }
  const patient = await fhir.read("Patient", fhir.session.patient);
  const name = patient.name?.find((one) => one.use === "usual") ?? patient.name?.[0] ?? {};
  const ins = patient.identifier?.find((one) => one.system?.startsWith("urn:oid:1.2.250.1.213.1.4."));
  at("patient-name").textContent = name.text ?? [...(name.given ?? []), name.family].filter(Boolean).join(" ");
  at("patient-birth").textContent = day(patient.birthDate);
  at("patient-sex").textContent = say(["female", "male"].includes(patient.gender) ? patient.gender : "unknown");
  at("patient-ins").textContent = ins?.value ?? say("unknown");
}

async function showMeasures() {
  const list = at("measures");
  if (!fhir.session.may("Observation", "s")) {
    at("measures-said").textContent = say("not-granted");
    return;
  }
  const code = Object.values(CODES).join(",");
  const parameters = { patient: fhir.session.patient, category: `${CATEGORY}|vital-signs`, code, _sort: "-date", _count: "20" };
  const { resources } = await fhir.search("Observation", parameters);
  at("measures-said").textContent = resources.length ? "" : say("no-measures");
  list.replaceChildren(
    ...resources.map((one) => {
      const item = document.createElement("li");
      const label = LABELS[one.code?.coding?.find((coding) => coding.code in LABELS)?.code];
      item.textContent = `${label ? say(label) : one.code?.text ?? ""} : ${shown(one, language)} (${day(one.effectiveDateTime)})`;
      return item;
    }),
  );
}

function showKind() {
  const chosen = document.querySelector("[name=kind]:checked").value;
  for (const part of document.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== chosen;
}

async function add() {
  const texts = Object.fromEntries(new FormData(at("add")));
  const { wrong, values, when } = read(texts.kind, texts);
  for (const field of ["weight", "systolic", "diastolic", "when"]) {
    at(`${field}-error`).textContent = field in wrong ? say(wrong[field]) : "";
    at(field).toggleAttribute("aria-invalid", field in wrong);
  }
  const first = Object.keys(wrong)[0];
  if (first) {
    at(first).focus();
    return;
  }
  said("saving");
  await fhir.create(observation(texts.kind, values, when, `Patient/${fhir.session.patient}`, fhir.session.user));
  for (const field of ["weight", "systolic", "diastolic"]) at(field).value = "";
  await showMeasures();
  said("added");
}

function said(name) {
  at("progress").textContent = say(name);
}

/** Do something; what goes wrong is told in words, and where the access has ended the person may begin again. */
async function attempt(work) {
  at("problem").hidden = true;
  try {
    await work();
  } catch (error) {
    at("progress").textContent = "";
    at("problem").hidden = false;
    at("problem").textContent = error.message;
    if (error instanceof Ended || fhir === null) {
      at("record").hidden = true;
      at("welcome").hidden = false;
    }
    at("problem").focus();
  }
}
