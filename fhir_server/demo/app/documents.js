// The patient's documents: https://hl7.org/fhir/R4/documentreference.html
import { day, say } from "./words.js";

const at = (id) => document.getElementById(id);

/** Kinds of content that a browser shows without running anything of theirs; everything else is downloaded. */
const SHOWN = ["application/pdf", "image/jpeg", "image/png", "text/plain"];
const PAGE = "20";

/** Show the newest documents, and a button for older ones; `attempt` does what may fail. */
export async function showDocuments(fhir, attempt) {
  if (!fhir.session.may("DocumentReference", "s")) {
    at("documents-said").textContent = say("not-granted");
    return;
  }
  const rows = at("documents");
  const more = at("more");
  rows.replaceChildren();
  await page(null);

  async function page(address) {
    const parameters = { patient: fhir.session.patient, status: "current", _sort: "-date", _count: PAGE };
    const { resources, next } = await fhir.search("DocumentReference", parameters, address);
    const made = resources.map((one) => row(one, fhir, attempt));
    rows.append(...made);
    rows.closest(".wide").hidden = rows.childElementCount === 0;
    at("documents-said").textContent = rows.childElementCount ? "" : say("no-documents");
    more.hidden = next === null;
    more.onclick = () => attempt(() => page(next));
    if (address !== null) made[0]?.querySelector("button")?.focus();
  }
}

function row(resource, fhir, attempt) {
  const title = words(resource);
  const made = document.createElement("tr");
  const heading = document.createElement("th");
  heading.scope = "row";
  heading.textContent = title;
  // A document has the language it has, whatever the page is read in (WCAG 2.1 §3.1.2).
  const spoken = resource.content?.[0]?.attachment?.language;
  if (spoken) heading.lang = spoken;
  made.append(heading, cell(day(resource.date)), cell(authors(resource) || say("unknown")));
  const contents = document.createElement("td");
  for (const { attachment } of resource.content ?? []) contents.append(opener(attachment, title, fhir, attempt));
  made.append(contents);
  return made;
}

function opener(attachment, title, fhir, attempt) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = say("open");
  button.setAttribute("aria-label", `${say("open")} ${attachment.title ?? title}`);
  button.addEventListener("click", () => attempt(() => open(attachment, title, fhir)));
  return button;
}

async function open(attachment, title, fhir) {
  at("progress").textContent = say("opening");
  const type = attachment.contentType?.split(";")[0].trim();
  const blob = await fhir.content(attachment);
  // Served from our own origin: only what cannot run a script is shown, and under the type that was decided on.
  const shown = SHOWN.includes(type);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([blob], { type: shown ? type : "application/octet-stream" }));
  if (shown) link.target = "_blank";
  else link.download = attachment.title ?? title;
  link.rel = "noopener";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  at("progress").textContent = say("opened");
}

function cell(text) {
  const made = document.createElement("td");
  made.textContent = text;
  return made;
}

function words(resource) {
  const coding = resource.type?.coding?.[0];
  return resource.type?.text ?? coding?.display ?? resource.description ?? coding?.code ?? say("document");
}

function authors(resource) {
  const inside = new Map((resource.contained ?? []).map((one) => [`#${one.id}`, one]));
  return (resource.author ?? []).map((one) => one.display ?? named(inside.get(one.reference))).filter(Boolean).join(", ");
}

function named(resource) {
  if (!resource) return "";
  if (typeof resource.name === "string") return resource.name;
  const name = resource.name?.[0] ?? {};
  return name.text ?? [...(name.given ?? []), name.family].filter(Boolean).join(" ");
}
