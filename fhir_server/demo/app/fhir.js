// FHIR over HTTP with the tokens of a session. https://hl7.org/fhir/R4/http.html
import { Ended } from "./oauth.js";
import { say } from "./words.js";

const JSON_TYPE = "application/fhir+json";

/** Resources of one server, as the session may see them. */
export class Fhir {
  constructor(session) {
    this.session = session;
    this.base = session.config.iss;
  }

  async read(type, id) {
    return (await this.request(`${type}/${id}`)).json();
  }

  /** A page of a search; `address` is that of a further page. */
  async search(type, parameters, address = null) {
    const bundle = await (await this.request(address ?? `${type}?${new URLSearchParams(parameters)}`)).json();
    return {
      resources: (bundle.entry ?? []).filter((one) => one.search?.mode !== "outcome").map((one) => one.resource),
      next: bundle.link?.find((one) => one.relation === "next")?.url ?? null,
    };
  }

  async create(resource) {
    const body = JSON.stringify(resource);
    return (await this.request(resource.resourceType, { method: "POST", body, headers: { "Content-Type": JSON_TYPE } })).json();
  }

  /** The bytes of a document's content. */
  async content(attachment) {
    if (attachment.data) return (await fetch(`data:application/octet-stream;base64,${attachment.data}`)).blob();
    return (await this.request(attachment.url, { headers: { Accept: attachment.contentType ?? "*/*" } })).blob();
  }

  /** A response of the server; an answer that is an error is thrown with the server's own words. */
  async request(address, { headers = {}, ...options } = {}) {
    const url = new URL(address, `${this.base}/`);
    // A token goes to its own server only, whatever address a resource holds.
    if (!url.href.startsWith(`${this.base}/`)) throw new Error(say("elsewhere"));
    let response = await this.sent(url, headers, options);
    if (response.status === 401) {
      await this.session.refresh();
      response = await this.sent(url, headers, options);
    }
    if (response.status === 401) throw new Ended(say("ended"));
    if (!response.ok) throw new Error(await said(response));
    return response;
  }

  async sent(url, headers, options) {
    const authorization = { Authorization: `Bearer ${await this.session.access()}` };
    return fetch(url, { ...options, headers: { Accept: JSON_TYPE, ...headers, ...authorization } });
  }
}

async function said(response) {
  const outcome = await response.json().catch(() => ({}));
  const words = (outcome.issue ?? []).filter((one) => one.severity !== "information" && one.diagnostics).map((one) => one.diagnostics);
  return `${say(response.status === 403 ? "forbidden" : "server-said")} ${words.slice(0, 3).join(" ") || response.status}`;
}
