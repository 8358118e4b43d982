// Where this file came from says where the server is: it may be below a path of a proxy.
// Built, it stands in <server>/dashboard/assets/.
const pageRoot = import.meta.env.DEV ? new URL("/dashboard/", location.origin) : new URL(/* @vite-ignore */ "../", import.meta.url);

/** The path of the dashboard, such as "/dashboard/". */
export const dashboardPath = pageRoot.pathname;
/** The address of the server, without a slash at its end. */
export const serverURL = new URL("../", pageRoot).href.replace(/\/$/, "");

export type Mode = "test" | "live";
export interface Scope {
  mode: Mode;
  business: string | null;
}

const stored = (name: string) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a browser that keeps nothing
  }
};

export function keep(name: string, value: string | null) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // then it is forgotten with the page
  }
}

export const recall = stored;

let scope: Scope = { mode: stored("billfold.mode") === "live" ? "live" : "test", business: stored("billfold.business") };

export function currentScope(): Scope {
  return scope;
}

export function setScope(next: Scope) {
  scope = next;
  keep("billfold.mode", next.mode);
  keep("billfold.business", next.business);
}

/** An answer that is not the one that was hoped for. */
export class APIError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param: string | null,
    readonly requestID: string | null,
    readonly retryAfter: number | null,
    readonly body: unknown,
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export function pathOf(path: string, query?: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return serverURL + path + (text ? "?" + text : "");
}

function headersOf(extra?: Record<string, string>): Record<string, string> {
  const headers: Record<string, string> = { "Billfold-Dashboard": "1", "Billfold-Mode": scope.mode, ...extra };
  if (scope.business) headers["Billfold-Business"] = scope.business;
  return headers;
}

type SignedOut = () => void;
let onSignedOut: SignedOut = () => {};
export function whenSignedOut(tell: SignedOut) {
  onSignedOut = tell;
}

async function refuse(response: Response): Promise<never> {
  const body: unknown = await response.json().catch(() => null);
  const said = (body ?? {}) as { code?: string; message?: string; param?: string; request_id?: string };
  const error = new APIError(
    response.status, said.code ?? "", said.message ?? `The server answered ${response.status}.`, said.param ?? null,
    said.request_id ?? response.headers.get("X-Request-Id"), Number(response.headers.get("Retry-After")) || null, body,
  );
  if (error.status === 401 && error.code === "UNAUTHORIZED") onSignedOut();
  throw error;
}

async function ask(path: string, init: RequestInit, query?: Query): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(pathOf(path, query), { credentials: "same-origin", redirect: "error", ...init });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new APIError(0, "UNREACHABLE", "The server cannot be reached.", null, null, null, null);
  }
  return response.ok ? response : refuse(response);
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, { headers: headersOf({ Accept: "application/json" }), signal }, query);
  return (await response.json()) as T;
}

export async function send<T = void>(method: "POST" | "PATCH" | "PUT" | "DELETE", path: string, body?: unknown, key?: string): Promise<T> {
  const extra: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) extra["Content-Type"] = "application/json";
  if (key) extra["Idempotency-Key"] = key;
  const response = await ask(path, { method, headers: headersOf(extra), body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** Opens a stream of events; the caller reads its body. */
export function openStream(query: Query, last: string | null, signal: AbortSignal): Promise<Response> {
  const extra: Record<string, string> = { Accept: "text/event-stream" };
  if (last) extra["Last-Event-ID"] = last;
  return ask("/events", { headers: headersOf(extra), signal, cache: "no-store" }, query);
}

/** Fetches a document and has the browser save it. */
export async function download(path: string, query: Query, fallback: string) {
  const response = await ask(path, { headers: headersOf() }, query);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? fallback;
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A text that nobody guesses, for idempotency keys. */
export function randomKey(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return prefix + "_" + Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
