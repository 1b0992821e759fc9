// What the app says, in French and English.
const WORDS = {
  "add": ["Ajouter une mesure", "Add a measure"],
  "added": ["La mesure est enregistrée.", "The measure is saved."],
  "author": ["Auteur", "Author"],
  "begin": ["Se connecter à l’espace santé", "Sign in to the health space"],
  "birth": ["Né(e) le", "Born on"],
  "content": ["Contenu", "Content"],
  "date": ["Date", "Date"],
  "diastolic": ["Diastolique (le plus petit nombre), en mmHg", "Diastolic (the smaller number), in mmHg"],
  "document": ["Document", "Document"],
  "documents": ["Documents", "Documents"],
  "documents-caption": ["Documents, le plus récent d’abord", "Documents, newest first"],
  "elsewhere": ["Ce document est gardé par un autre serveur.", "This document is kept by another server."],
  "ended": ["L’accès a pris fin. Connectez-vous de nouveau.", "The access has ended. Sign in again."],
  "female": ["Femme", "Female"],
  "forbidden": ["Le serveur refuse :", "The server refuses:"],
  "future": ["La date est dans le futur.", "The date is in the future."],
  "ins": ["Matricule INS", "INS number"],
  "invented": ["Démonstration : toutes les personnes sont inventées.", "Demonstration: everyone is invented."],
  "kind": ["Quelle mesure ?", "Which measure?"],
  "languages": ["Langues", "Languages"],
  "leave": ["Quitter", "Leave"],
  "left": ["Vous avez quitté l’application.", "You have left the app."],
  "loaded": ["Le dossier est affiché.", "The record is shown."],
  "loading": ["Lecture du dossier…", "Reading the record…"],
  "male": ["Homme", "Male"],
  "measures": ["Mesures", "Measures"],
  "missing": ["Remplissez ce champ.", "Fill in this field."],
  "more": ["Documents plus anciens", "Older documents"],
  "name": ["Nom", "Name"],
  "no-documents": ["Aucun document.", "No document."],
  "no-launch": ["Cette adresse s’ouvre depuis le dossier d’un patient.", "This address is opened from a patient’s record."],
  "no-measures": ["Aucune mesure.", "No measure."],
  "not-a-number": ["Écrivez un nombre.", "Write a number."],
  "not-below": ["La diastolique est plus petite que la systolique.", "Diastolic is smaller than systolic."],
  "not-granted": ["Vous n’avez pas autorisé l’application à le faire.", "You did not allow the app to do this."],
  "not-registered": ["L’application n’est pas admise par ce serveur.", "The app is not admitted by this server."],
  "open": ["Ouvrir", "Open"],
  "opened": ["Le document est ouvert ou téléchargé.", "The document is opened or downloaded."],
  "opening": ["Ouverture…", "Opening…"],
  "other-server": ["La réponse vient d’un autre serveur : elle est ignorée.", "The answer comes from another server: it is ignored."],
  "other-state": ["La réponse ne correspond à aucune demande. Recommencez.", "The answer fits no request. Begin again."],
  "out-of-bounds": ["Cette valeur n’est pas possible.", "This value is not possible."],
  "patient": ["Patient", "Patient"],
  "pressure": ["Pression artérielle", "Blood pressure"],
  "refresh": ["Actualiser", "Refresh"],
  "refused": ["Vous avez refusé l’accès.", "You refused access."],
  "save": ["Enregistrer", "Save"],
  "saving": ["Enregistrement…", "Saving…"],
  "server-said": ["Le serveur répond :", "The server answers:"],
  "sex": ["Sexe", "Sex"],
  "skip": ["Aller au contenu", "Skip to content"],
  "systolic": ["Systolique (le plus grand nombre), en mmHg", "Systolic (the larger number), in mmHg"],
  "title": ["Carnet de démonstration", "Demonstration notebook"],
  "title-measures": ["Mesures de démonstration", "Demonstration measures"],
  "title-professional": ["Cabinet de démonstration", "Demonstration practice"],
  "unknown": ["Non précisé", "Not stated"],
  "weight": ["Poids", "Weight"],
  "weight-hint": ["Par exemple 72,5", "For example 72.5"],
  "weight-kg": ["Poids, en kilogrammes", "Weight, in kilograms"],
  "welcome": [
    "Une application d’exemple, et des personnes inventées. Connectez-vous avec un compte de démonstration.",
    "A sample app, and invented people. Sign in with a demonstration account.",
  ],
  "welcome-professional": [
    "Une application d’exemple pour professionnels. Elle s’ouvre aussi depuis la page « Outils », sur le patient choisi.",
    "A sample app for professionals. It is also opened from the page “Tools”, on the patient at hand.",
  ],
  "when": ["Date et heure de la mesure", "Date and time of the measure"],
};

const ASKED = new URLSearchParams(location.search).get("lang");
if (ASKED === "fr" || ASKED === "en") sessionStorage.setItem("demo:lang", ASKED);

/** "fr", unless the person chose English or their browser asks for a language that is not French. */
export const language = sessionStorage.getItem("demo:lang") ?? (navigator.language.startsWith("fr") ? "fr" : "en");

/** The words of a name. */
export function say(name) {
  return WORDS[name][language === "fr" ? 0 : 1];
}

/** Have the page say everything in the language; `other` names words that take the place of others. */
export function speak(other = {}) {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(other[element.dataset.say] ?? element.dataset.say);
  for (const link of document.querySelectorAll("nav [hreflang]")) link.toggleAttribute("aria-current", link.hreflang === language);
  document.title = say(other.title ?? "title");
}

/** A FHIR date or dateTime as people read it, as precise as it is. */
export function day(text) {
  if (!text) return say("unknown");
  if (text.length < 10) return text;
  const options = text.length > 10 ? { dateStyle: "medium", timeStyle: "short" } : { dateStyle: "long", timeZone: "UTC" };
  return new Intl.DateTimeFormat(language, options).format(new Date(text));
}
