// Writes the code systems of countries and currencies in `profiles/iso`; run it after a change, in a folder where npm
// installed i18n-iso-countries (MIT): node …/profiles/build_iso.mjs
//
// https://hl7.org/fhir/R4/terminologies-systems.html: urn:iso:std:iso:3166 holds the codes of two letters, of three
// letters and of three digits; urn:iso:std:iso:4217 those of currencies, the old ones that records still carry included.
// Codes are facts of the standards; names come from the package and from CLDR, which Node.js carries.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const countries = createRequire(process.cwd() + "/")("i18n-iso-countries");

const CURRENCIES = `
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GGP GHS GIP GMD GNF GTQ GYD
HKD HNL HRK HTG HUF IDR ILS IMP INR IQD IRR ISK JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SPL SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TVD
TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VEF VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF
XPT XSU XTS XUA XXX YER ZAR ZMW ZWG ZWL`.trim().split(/\s+/);

// Younger than the names that Node.js carries.
const YOUNG = {
  XAD: ["Arab Accounting Dinar", "dinar comptable arabe"],
  XCG: ["Caribbean Guilder", "florin caribéen"],
  ZWG: ["Zimbabwe Gold", "or du Zimbabwe"],
};

const concept = (code, en, fr) => ({
  code,
  display: en,
  ...(fr && fr !== en ? { designation: [{ language: "fr", value: fr }] } : {}),
});

const write = (id, url, name, title, concepts) =>
  writeFileSync(
    new URL(`iso/CodeSystem-${id}.json`, import.meta.url),
    JSON.stringify(
      {
        resourceType: "CodeSystem",
        id,
        url,
        name,
        title,
        status: "active",
        caseSensitive: true,
        content: "complete",
        count: concepts.length,
        concept: concepts,
      },
      null,
      1,
    ) + "\n",
  );

// XK is in use for Kosovo, and is no code of the standard.
const two = Object.keys(countries.getAlpha2Codes()).sort().filter((code) => code !== "XK");
const forms = [(code) => code, countries.alpha2ToAlpha3, countries.alpha2ToNumeric];
const named = (code, form) => concept(form(code), countries.getName(code, "en"), countries.getName(code, "fr"));
write(
  "iso-3166",
  "urn:iso:std:iso:3166",
  "ISO3166",
  "Pays (ISO 3166-1)",
  forms.flatMap((form) => two.map((code) => named(code, form))),
);

const money = Object.fromEntries(["en", "fr"].map((one) => [one, new Intl.DisplayNames(one, { type: "currency" })]));
write(
  "iso-4217",
  "urn:iso:std:iso:4217",
  "ISO4217",
  "Monnaies (ISO 4217)",
  CURRENCIES.map((code) => concept(code, ...(YOUNG[code] ?? [money.en.of(code), money.fr.of(code)]))),
);
