import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { APIError, send } from "../api/client";
import type { InvitationSeen, Session, User } from "../api/types";
import { Button, Field, Skeleton, words } from "../ui/base";
import { Mark } from "./mark";
import { forget } from "./session";

function Sheet({ title, sub, children }: { title: string; sub?: ReactNode; children: ReactNode }) {
  return (
    <main className="min-h-dvh grid place-items-center p-4">
      <div className="w-full max-w-sm">
        <div className="flex items-center gap-2.5 mb-6 justify-center"><Mark /><span className="text-lg font-semibold tracking-tight">Billfold</span></div>
        <div className="card p-6">
          <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
          {sub && <p className="text-soft mt-1">{sub}</p>}
          <div className="mt-5">{children}</div>
        </div>
      </div>
    </main>
  );
}

function failureText(error: unknown): string {
  if (error instanceof APIError && error.status === 429 && error.retryAfter) {
    return `Too many tries. Try again in ${error.retryAfter < 90 ? `${error.retryAfter} seconds` : `${Math.ceil(error.retryAfter / 60)} minutes`}.`;
  }
  return error instanceof Error ? error.message : "This did not work.";
}

export function SignIn({ email: known = "", joined, onDone }: { email?: string; joined?: string; onDone?: () => void }) {
  const client = useQueryClient();
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState("");
  const [code, setCode] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      const session = await send<Session>("POST", "/dashboard/api/session", { email, password, ...(code ? { code: code.trim() } : {}) });
      forget(client);
      if (onDone) return onDone();
      client.setQueryData(["session"], session);
    } catch (error) {
      if (error instanceof APIError && error.code === "SECOND_FACTOR_REQUIRED") setCode((now) => now ?? "");
      else setFailure(failureText(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Sheet title={code === null ? "Sign in" : "Second factor"}
      sub={code !== null ? "Enter the code of your authenticator, or one of your recovery codes." : joined}>
      <form onSubmit={(e) => void submit(e)} className="grid gap-4">
        {code === null ? <>
          <Field label="Email">{(p) => <input {...p} type="email" autoComplete="username" required autoFocus value={email} onChange={(e) => setEmail(e.target.value)} />}</Field>
          <Field label="Password" error={failure}>
            {(p) => <input {...p} type="password" autoComplete="current-password" required value={password} onChange={(e) => setPassword(e.target.value)} />}
          </Field>
        </> : (
          <Field label="Code" error={failure}>
            {(p) => <input {...p} inputMode="text" autoComplete="one-time-code" required autoFocus value={code} onChange={(e) => setCode(e.target.value)} />}
          </Field>
        )}
        <Button type="submit" look="primary" busy={busy}>{code === null ? "Sign in" : "Continue"}</Button>
        {code !== null && <Button look="quiet" onClick={() => { setCode(null); setFailure(null); }}>Back</Button>}
      </form>
    </Sheet>
  );
}

/** Where the link of an invitation leads. Its token is behind the #, so no server logs it. */
export function Join({ token }: { token: string }) {
  const [seen, setSeen] = useState<InvitationSeen | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const [form, setForm] = useState({ email: "", name: "", password: "" });
  const [error, setError] = useState<{ param: string | null; text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const [joined, setJoined] = useState<string | null>(null);
  const [code, setCode] = useState<string | null>(null);
  useEffect(() => {
    send<InvitationSeen>("POST", "/dashboard/api/invitation", { token }).then((invitation) => {
      setSeen(invitation);
      setForm((f) => ({ ...f, email: invitation.email ?? "" }));
    }, (cause: unknown) => setOver(failureText(cause)));
  }, [token]);
  const leave = () => {
    history.replaceState(null, "", new URL("./", location.href));
    location.reload();
  };
  const submit = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { user } = await send<{ user: User }>("POST", "/dashboard/api/join", { token, ...form, ...(code ? { code: code.trim() } : {}) });
      try {
        await send("POST", "/dashboard/api/session", { email: user.email, password: form.password });
        leave();
      } catch {
        setJoined(user.email); // such as with a second factor
      }
    } catch (cause) {
      if (cause instanceof APIError && cause.code === "SECOND_FACTOR_REQUIRED") {
        setCode((now) => now ?? "");
        return;
      }
      const param = cause instanceof APIError ? cause.param : null;
      setError({ param: cause instanceof APIError && cause.code === "INVALID_PASSWORD" ? "password" : param, text: failureText(cause) });
    } finally {
      setBusy(false);
    }
  };
  if (joined) return <SignIn email={joined} joined="You have joined. Sign in now; a code works once, so it takes your next one." onDone={leave} />;
  if (over) {
    return (
      <Sheet title="This invitation is over" sub={over}>
        <p className="text-soft">Ask whoever invited you for another one. Links work once, and for some days.</p>
        <Button className="mt-5 w-full" onClick={leave}>Sign in</Button>
      </Sheet>
    );
  }
  if (!seen) return <Sheet title="One moment"><Skeleton className="h-24 w-full" /></Sheet>;
  const set = (name: keyof typeof form) => (e: { target: { value: string } }) => setForm((f) => ({ ...f, [name]: e.target.value }));
  const at = (param: string) => (error?.param === param ? error.text : null);
  return (
    <Sheet title={`Join ${seen.business_name}`} sub={`You are invited as ${words(seen.role).toLowerCase()}.`}>
      <form onSubmit={(e) => void submit(e)} className="grid gap-4">
        <Field label="Email" error={at("email")}>
          {(p) => <input {...p} type="email" autoComplete="username" required autoFocus={!seen.email} readOnly={!!seen.email} value={form.email} onChange={set("email")} />}
        </Field>
        <Field label="Name" error={at("name")}>{(p) => <input {...p} autoComplete="name" required value={form.name} onChange={set("name")} />}</Field>
        <Field label="Password" error={at("password")} hint="At least 12 characters. If you have an account here already, its password.">
          {(p) => <input {...p} type="password" autoComplete="new-password" required minLength={12} value={form.password} onChange={set("password")} />}
        </Field>
        {code !== null && (
          <Field label="Code" error={at("code")} hint="Of the authenticator of your account, or one of your recovery codes.">
            {(p) => <input {...p} autoComplete="one-time-code" required autoFocus value={code} onChange={(e) => setCode(e.target.value)} />}
          </Field>
        )}
        {error && !["email", "name", "password", "code"].includes(error.param ?? "") && <p role="alert" className="text-sm text-bad">{error.text}</p>}
        <Button type="submit" look="primary" busy={busy}>Join</Button>
      </form>
    </Sheet>
  );
}
