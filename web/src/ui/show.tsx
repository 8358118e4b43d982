import { Suspense, type ReactNode } from "react";
import { display, minorDigits, type Minor, decimal, symbolOf } from "../money/money";
import { cx } from "./base";

/** An amount, with every digit of its currency. */
export function Money({ amount, currency, signed, className }: { amount: Minor; currency: string; signed?: boolean; className?: string }) {
  return <span className={cx("num", className)}>{display(amount, currency, signed)}</span>;
}

/** An amount at the head of a card: what is behind the point is set smaller in weight. */
export function BigMoney({ amount, currency }: { amount: Minor; currency: string }) {
  const text = decimal(amount, currency);
  const cut = minorDigits(currency) > 0 ? text.lastIndexOf(".") : text.length;
  const symbol = symbolOf(currency);
  return (
    <span className="num text-2xl font-semibold tracking-tight">
      {symbol}{text.slice(0, cut)}<span className="text-soft font-medium">{text.slice(cut)}</span>
      {!symbol && <span className="text-lg text-soft font-medium ml-1.5">{currency}</span>}
    </span>
  );
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const minute = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const minuteYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

export function dayText(at: string): string {
  return day.format(new Date(at));
}

export function timeText(at: string): string {
  const date = new Date(at);
  return (date.getFullYear() === new Date().getFullYear() ? minute : minuteYear).format(date);
}

/** An instant in the reader's own time zone, with all of it on request. */
export function Time({ at, only }: { at: string; only?: "day" }) {
  return (
    <time dateTime={at} title={`${full.format(new Date(at))}\n${at}`} className="num">
      {only === "day" ? dayText(at) : timeText(at)}
    </time>
  );
}

/** How long ago or ahead an instant is, for people. */
export function ago(at: string, now = Date.now()): string {
  const seconds = Math.round((new Date(at).getTime() - now) / 1000);
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [[60, "second"], [3600, "minute"], [86400, "hour"], [86400 * 45, "day"], [86400 * 365, "month"]];
  const sizes: Record<string, number> = { second: 1, minute: 60, hour: 3600, day: 86400, month: 86400 * 30 };
  for (const [limit, unit] of steps) {
    if (Math.abs(seconds) < limit) return format.format(Math.trunc(seconds / sizes[unit]!), unit);
  }
  return format.format(Math.trunc(seconds / (86400 * 365)), "year");
}

export function Later({ children, className }: { children: ReactNode; className?: string }) {
  return <Suspense fallback={<div className={cx("pulse bg-sunken rounded-lg", className)} />}>{children}</Suspense>;
}

/** JSON as it came, with its members indented. */
export function Raw({ value }: { value: unknown }) {
  return (
    <details className="group border border-line rounded-lg">
      <summary className="px-3 py-2 text-sm text-soft hover:text-ink select-none">JSON</summary>
      <pre tabIndex={0} className="border-t border-line px-3 py-2 overflow-x-auto font-mono text-xs leading-5">{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
