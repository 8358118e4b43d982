import { Select } from "../ui/base";
import { useFilters } from "../app/search";

/** A time from the begin of one day to the begin of another, which does not count any more. */
export interface Period {
  from: string;
  to: string;
}

const presets = [["month", "This month"], ["last_month", "Last month"], ["quarter", "This quarter"], ["year", "This year"],
  ["last_year", "Last year"], ["12", "Last 12 months"], ["own", "Dates of choice"]] as const;

/** The day of an instant in a time zone, such as "2026-03-01". */
export function dayIn(zone: string, at = new Date()): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at);
}

/** The first day of a month that is so many months behind or before that of a day. */
function month(day: string, by: number): string {
  const [year = 0, number = 1] = day.split("-").map(Number);
  const at = year * 12 + number - 1 + by;
  return `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, "0")}-01`;
}

/** The day behind a day. */
export function next(day: string): string {
  return new Date(Date.parse(day + "T00:00:00Z") + 86_400_000).toISOString().slice(0, 10);
}

function before(day: string): string {
  return new Date(Date.parse(day + "T00:00:00Z") - 86_400_000).toISOString().slice(0, 10);
}

function presetOf(name: string, today: string): Period {
  const number = Number(today.slice(5, 7)) - 1;
  switch (name) {
    case "last_month": return { from: month(today, -1), to: month(today, 0) };
    case "quarter": return { from: month(today, -(number % 3)), to: next(today) };
    case "year": return { from: month(today, -number), to: next(today) };
    case "last_year": return { from: month(today, -number - 12), to: month(today, -number) };
    case "12": return { from: month(today, -11), to: next(today) };
    default: return { from: month(today, 0), to: next(today) };
  }
}

const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The time of a report as it stands in the address, in days of a time zone. */
export function usePeriod(): Period & { zone: string } {
  const [filters] = useFilters();
  const zone = filters.zone === own ? own : "UTC";
  const today = dayIn(zone);
  if (filters.period === "own") {
    const { from, to } = presetOf("month", today);
    return { zone, from: filters.from ?? from, to: filters.to && filters.to >= (filters.from ?? from) ? next(filters.to) : to };
  }
  return { zone, ...presetOf(filters.period ?? "12", today) };
}

/** Chooses the time of a report. */
export function PeriodPicker() {
  const [filters, setFilters] = useFilters();
  const { from, to, zone } = usePeriod();
  return (
    <>
      <Select label="Period" value={filters.period ?? "12"} onChange={(name) => setFilters(name === "own" ? { period: name, from, to: before(to) } : { period: name, from: "", to: "" })} of={presets} />
      {filters.period === "own" && (
        <>
          <Day label="First day" value={from} onChange={(day) => setFilters({ from: day })} />
          <Day label="Last day" value={before(to)} onChange={(day) => setFilters({ to: day })} />
        </>
      )}
      {own !== "UTC" && <Select label="Time zone" value={zone} onChange={(name) => setFilters({ zone: name })} of={[["UTC", "Days of UTC"], [own, `Days of ${own}`]]} />}
    </>
  );
}

export function Day({ label, value, onChange }: { label: string; value: string; onChange: (day: string) => void }) {
  return (
    <input type="date" aria-label={label} value={value} onChange={(e) => e.target.value && onChange(e.target.value)}
      className="h-8 rounded-lg border border-edge px-2 bg-surface text-sm hover:border-faint" />
  );
}
