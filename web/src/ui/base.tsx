import { Check, Copy, LoaderCircle } from "lucide-react";
import { useEffect, useId, useState, type ButtonHTMLAttributes, type ReactNode } from "react";

/** Joins names of classes, leaving out what is not there. */
export function cx(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}

type Look = "primary" | "plain" | "quiet" | "danger";
interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  small?: boolean;
  busy?: boolean;
}

const looks: Record<Look, string> = {
  primary: "bg-accent text-on-accent border-transparent hover:brightness-110 active:brightness-95 shadow-card",
  plain: "bg-surface text-ink border-edge hover:bg-sunken shadow-card",
  quiet: "bg-transparent text-soft border-transparent hover:bg-sunken hover:text-ink",
  danger: "bg-bad text-surface border-transparent hover:brightness-110 shadow-card",
};

export function buttonClass(look: Look = "plain", small = false): string {
  return cx(
    "inline-flex items-center justify-center gap-1.5 border font-medium whitespace-nowrap select-none transition-[background,filter]",
    "disabled:opacity-50 disabled:pointer-events-none", small ? "h-7 px-2.5 rounded-md text-sm" : "h-9 px-3.5 rounded-lg text-base", looks[look],
  );
}

export function Button({ look = "plain", small, busy, className, children, disabled, type = "button", ...rest }: ButtonProps) {
  return (
    <button type={type} disabled={disabled || busy} aria-busy={busy || undefined} className={cx(buttonClass(look, small), className)} {...rest}>
      {busy && <LoaderCircle size={14} className="turn" aria-hidden />}
      {children}
    </button>
  );
}

export function IconButton({ label, children, className, ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { label: string }) {
  return (
    <button type="button" aria-label={label} title={label}
      className={cx("inline-grid place-items-center size-8 rounded-lg text-soft hover:bg-sunken hover:text-ink", className)} {...rest}>
      {children}
    </button>
  );
}

type Tone = "neutral" | "good" | "bad" | "warn" | "accent" | "promo";
const tones: Record<Tone, string> = {
  neutral: "bg-sunken text-soft",
  good: "bg-good-tint text-good",
  bad: "bg-bad-tint text-bad",
  warn: "bg-warn-tint text-warn",
  accent: "bg-tint text-accent",
  promo: "bg-sunken text-promo",
};

export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return <span className={cx("inline-flex items-center h-5 px-2 rounded-full text-xs font-medium whitespace-nowrap", tones[tone])}>{children}</span>;
}

const statuses: Record<string, Tone> = {
  succeeded: "good", active: "good", paid: "good", delivered: "good", captured: "good", card_ok: "good", won: "good",
  failed: "bad", past_due: "bad", card_declined: "bad", on_hold: "bad", rejected: "bad", gone: "bad", timed_out: "bad", lost: "bad",
  unreachable: "bad", untrusted: "bad", refused_address: "bad",
  processing: "warn", pending: "warn", requires_payment_method: "warn", requires_customer_action: "warn", review: "warn", paused: "warn",
  card_unknown: "warn", opened: "warn", challenged: "warn",
};

export function words(name: string): string {
  const text = name.replace(/[_.]/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function Status({ of }: { of: string }) {
  return <Badge tone={statuses[of] ?? "neutral"}>{words(of)}</Badge>;
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  children: (props: { id: string; "aria-invalid": boolean; "aria-describedby": string | undefined; className: string }) => ReactNode;
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className="grid gap-1.5 min-w-0 content-start">
      <label htmlFor={id} className="text-sm font-medium">{label}</label>
      {children({ id, "aria-invalid": !!error, "aria-describedby": note ? id + "-note" : undefined, className: "field" })}
      {note && <p id={id + "-note"} role={error ? "alert" : undefined} className={cx("text-sm", error ? "text-bad" : "text-soft")}>{note}</p>}
    </div>
  );
}

/** A row of choices of which one holds. */
export function Choice<T extends string>({ label, value, of, onChange }: {
  label: string; value: T; of: readonly (readonly [T, string])[]; onChange: (next: T) => void;
}) {
  return (
    <div role="group" aria-label={label} className="inline-flex p-0.5 rounded-lg bg-sunken border border-line">
      {of.map(([name, text]) => (
        <button key={name} type="button" aria-pressed={value === name} onClick={() => onChange(name)}
          className={cx("h-7 px-3 rounded-md text-sm font-medium", value === name ? "bg-surface text-ink shadow-card" : "text-soft hover:text-ink")}>
          {text}
        </button>
      ))}
    </div>
  );
}

export function Select({ label, value, onChange, of, none }: {
  label: string; value: string; onChange: (next: string) => void; of: readonly (readonly [string, string])[]; none?: string;
}) {
  return (
    <select aria-label={label} value={value} onChange={(e) => onChange(e.target.value)}
      className={cx("h-8 max-w-48 rounded-lg border pl-2.5 pr-1 text-sm bg-surface hover:border-faint", none === undefined ? "border-edge text-ink" : value ? "border-accent text-ink" : "border-edge text-soft")}>
      {none !== undefined && <option value="">{none}</option>}
      {of.map(([name, text]) => <option key={name} value={name}>{text}</option>)}
    </select>
  );
}

export function CopyText({ text, shown, label }: { text: string; shown?: ReactNode; label?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" aria-label={label ?? `Copy ${text}`} onClick={() => void copy(text).then(() => setCopied(true))}
      className="group inline-flex items-center max-w-[calc(100%+0.5rem)] rounded-md px-1 -mx-1 text-left hover:bg-sunken relative z-10">
      <span className="font-mono text-xs truncate">{shown ?? text}</span>
      {shown === "" ? (copied ? <Check size={14} className="text-good" aria-hidden /> : <Copy size={14} className="text-faint" aria-hidden />) : (
        <span className="absolute left-full pl-0.5" aria-hidden>
          {copied ? <Check size={12} className="text-good" /> : <Copy size={12} className="text-faint opacity-0 group-hover:opacity-100 group-focus-visible:opacity-100" />}
        </span>
      )}
    </button>
  );
}

async function copy(text: string) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // without https there is no clipboard
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A command to copy, as empty pages show it. */
export function Command({ text }: { text: string }) {
  return (
    <div className="relative min-w-0 text-left rounded-lg border border-line bg-sunken">
      <pre tabIndex={0} aria-label="Command" className="overflow-x-auto p-3 pr-10 font-mono text-xs leading-5 text-ink">{text}</pre>
      <div className="absolute right-2 top-2"><CopyText text={text} shown="" label="Copy the command" /></div>
    </div>
  );
}

export function Empty({ title, children, command }: { title: string; children?: ReactNode; command?: string }) {
  return (
    <div className="px-6 py-12 text-center">
      <div className="mx-auto max-w-xl grid gap-3 justify-items-center">
        <h3 className="text-lg font-semibold">{title}</h3>
        {children && <div className="text-soft max-w-md">{children}</div>}
        {command && <div className="w-full mt-2 min-w-0"><Command text={command} /></div>}
      </div>
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div role="alert" className="px-6 py-10 text-center">
      <p className="font-semibold">This could not be loaded</p>
      <p className="text-soft mt-1 break-words">{error instanceof Error ? error.message : "Something went wrong."}</p>
      {retry && <Button className="mt-4" onClick={retry}>Try again</Button>}
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <span className={cx("block rounded bg-sunken pulse", className ?? "h-4 w-24")} aria-hidden />;
}

export function Heading({ title, children, sub }: { title: ReactNode; sub?: ReactNode; children?: ReactNode }) {
  return (
    <div className="flex flex-wrap items-end justify-between gap-x-4 gap-y-3 mb-5">
      <div className="min-w-0">
        <h1 className="text-xl font-semibold tracking-tight break-words">{title}</h1>
        {sub && <div className="text-soft mt-0.5 min-w-0">{sub}</div>}
      </div>
      {children && <div className="flex flex-wrap items-center gap-2">{children}</div>}
    </div>
  );
}

/** Names and values below one another, as drawers show them. */
export function Facts({ of }: { of: (readonly [string, ReactNode] | false | "" | null | undefined)[] }) {
  return (
    <dl className="divide-y divide-line">
      {of.filter((row) => !!row).map(([name, value]) => (
        <div key={name} className="flex justify-between gap-6 py-2">
          <dt className="text-soft min-w-20 break-words">{name}</dt>
          <dd className="text-right min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
