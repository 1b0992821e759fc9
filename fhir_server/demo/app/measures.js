// Measures as the national guide has them, which are R4's vital signs: https://hl7.org/fhir/R4/observation-vitalsigns.html
const PROFILE = "https://interop.esante.gouv.fr/ig/fhir/mesures/StructureDefinition/mesures-fr-observation-";
const LOINC = "http://loinc.org";
const UCUM = "http://unitsofmeasure.org";
export const CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category";

/** Field → LOINC code, unit as shown and as coded, and the bounds outside which it is a slip of the pen. */
export const FIELDS = {
  weight: { code: "29463-7", unit: "kg", coded: "kg", least: 0.2, most: 650, whole: false },
  systolic: { code: "8480-6", unit: "mmHg", coded: "mm[Hg]", least: 30, most: 300, whole: true },
  diastolic: { code: "8462-4", unit: "mmHg", coded: "mm[Hg]", least: 20, most: 250, whole: true },
};
const KINDS = {
  weight: { profile: "body-weight", code: "29463-7", display: "Body weight" },
  pressure: { profile: "bp", code: "85354-9", display: "Blood pressure panel with all children optional" },
};

/** The Observation of one measure: `values` by field, `when` a Date, `patient` and `performer` references. */
export function observation(kind, values, when, patient, performer) {
  const { profile, code, display } = KINDS[kind];
  const quantity = (field) => ({ value: values[field], unit: FIELDS[field].unit, system: UCUM, code: FIELDS[field].coded });
  const component = (field) => ({ code: coded(FIELDS[field].code), valueQuantity: quantity(field) });
  return {
    resourceType: "Observation",
    meta: { profile: [PROFILE + profile] },
    status: "final",
    category: [{ coding: [{ system: CATEGORY, code: "vital-signs" }] }],
    code: coded(code, display),
    subject: { reference: patient },
    effectiveDateTime: instant(when),
    ...(performer ? { performer: [{ reference: performer }] } : {}),
    ...(kind === "weight" ? { valueQuantity: quantity("weight") } : { component: ["systolic", "diastolic"].map(component) }),
  };
}

/** Field → what is wrong with it ("missing", "not-a-number", "out-of-bounds", "not-below", "future"); and the values. */
export function read(kind, texts, now = new Date()) {
  const wrong = {};
  const values = {};
  for (const field of kind === "weight" ? ["weight"] : ["systolic", "diastolic"]) {
    const found = number(texts[field] ?? "", FIELDS[field]);
    if (typeof found === "string") wrong[field] = found;
    else values[field] = found;
  }
  if (values.diastolic >= values.systolic) wrong.diastolic = "not-below";
  const when = new Date(texts.when);
  if (Number.isNaN(when.getTime())) wrong.when = "missing";
  else if (when - now > 60_000) wrong.when = "future";
  return { wrong, values, when };
}

/** A measure as a line of text, without its date. */
export function shown(resource, language) {
  const parts = resource.valueQuantity ? [resource.valueQuantity] : (resource.component ?? []).map((one) => one.valueQuantity).filter(Boolean);
  const unit = parts[0]?.unit ?? parts[0]?.code ?? "";
  return parts.map((one) => Number(one.value).toLocaleString(language)).join(" / ") + (unit ? ` ${unit}` : "");
}

/** An instant with the offset of where the person is: https://hl7.org/fhir/R4/datatypes.html#dateTime */
export function instant(when) {
  const minutes = -when.getTimezoneOffset();
  const two = (value) => String(Math.trunc(Math.abs(value))).padStart(2, "0");
  const local = new Date(when.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  return `${local}${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

function coded(code, display) {
  return { coding: [{ system: LOINC, code, ...(display ? { display } : {}) }] };
}

function number(text, { least, most, whole }) {
  const plain = text.trim().replace(",", ".");
  if (plain === "") return "missing";
  if (!(whole ? /^\d{1,4}$/ : /^\d{1,4}(\.\d{1,3})?$/).test(plain)) return "not-a-number";
  const value = Number(plain);
  return value < least || value > most ? "out-of-bounds" : value;
}
