import { digits } from "../generated/digits";

// Amounts are minor units. On the wire they are JSON numbers up to 2^53-1, which a number
// holds exactly; everything that is computed of them is a bigint, and no amount is ever
// divided or multiplied as a floating-point number.
export type Minor = number | bigint;

const symbols: Readonly<Record<string, string>> = { INR: "₹", USD: "$", EUR: "€", GBP: "£" };

export const amountMax = 999_999_999_999n;

/** How many digits the minor unit of a currency has: 2 for USD, 0 for JPY, 3 for KWD. */
export function minorDigits(currency: string): number {
  return digits[currency] ?? 2;
}

export function symbolOf(currency: string): string {
  return symbols[currency] ?? "";
}

/** The decimal text of an amount, such as "-1,234.50", exact to the last digit. */
export function decimal(amount: Minor, currency: string, grouped = true): string {
  const whole = BigInt(amount);
  const places = minorDigits(currency);
  const text = (whole < 0n ? -whole : whole).toString().padStart(places + 1, "0");
  const units = text.slice(0, text.length - places);
  const rest = places > 0 ? "." + text.slice(text.length - places) : "";
  const shown = grouped ? units.replace(/\B(?=(\d{3})+$)/g, ",") : units;
  return (whole < 0n ? "\u2212" : "") + shown + rest;
}

/** An amount as people read it: "₹1,234.50", "−$0.05", "1,234 JPY"; signed adds a plus. */
export function display(amount: Minor, currency: string, signed = false): string {
  const text = decimal(amount, currency);
  const negative = text.startsWith("\u2212");
  const sign = negative ? "\u2212" : signed && BigInt(amount) > 0n ? "+" : "";
  const bare = negative ? text.slice(1) : text;
  const symbol = symbolOf(currency);
  return symbol ? sign + symbol + bare : `${sign}${bare} ${currency}`;
}

/** Reads what somebody typed, such as "1,234.5", as minor units; a text says what is wrong. */
export function parse(text: string, currency: string): bigint | string {
  const typed = text.trim().replace(/[,\s_]/g, "");
  const places = minorDigits(currency);
  const match = /^(\d*)(?:\.(\d*))?$/.exec(typed);
  if (!match || typed === "" || typed === ".") return "Enter an amount, such as " + decimal(10n ** BigInt(places) * 25n, currency) + ".";
  const fraction = match[2] ?? "";
  if (fraction.length > places) {
    return places === 0 ? `${currency} has no smaller unit.` : `${currency} has ${places} digits after the point.`;
  }
  const minor = BigInt((match[1] || "0") + fraction.padEnd(places, "0"));
  if (minor === 0n) return "The amount must be more than zero.";
  if (minor > amountMax) return `One entry moves at most ${display(amountMax, currency)}.`;
  return minor;
}

/** A short text for the axis of a chart; the exact amount stands beside it. */
export function short(amount: Minor, currency: string): string {
  const whole = BigInt(amount);
  const units = (whole < 0n ? -whole : whole) / 10n ** BigInt(minorDigits(currency));
  const sign = whole < 0n ? "\u2212" : "";
  const scale: [bigint, string][] = [[10n ** 12n, "T"], [10n ** 9n, "B"], [10n ** 6n, "M"], [10n ** 3n, "k"]];
  for (const [size, letter] of scale) {
    if (units < size) continue;
    const tenths = (units * 10n) / size;
    const tail = tenths % 10n === 0n ? "" : "." + (tenths % 10n).toString();
    return `${sign}${symbolOf(currency)}${tenths / 10n}${tail}${letter}`;
  }
  return sign + symbolOf(currency) + units.toString();
}
