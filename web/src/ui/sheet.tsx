import type { ReactNode } from "react";
import { cx } from "./base";

export interface SheetColumn<T> {
  head: ReactNode;
  cell: (row: T) => ReactNode;
  foot?: ReactNode;
  left?: boolean;
  strong?: boolean;
}

interface Props<T> {
  label: string;
  columns: SheetColumn<T>[];
  rows: T[];
  keyOf: (row: T) => string;
}

/** A table of figures as accountants read them: all of its rows, and sums below. What is wide scrolls, and its first column stays. */
export function Sheet<T>({ label, columns, rows, keyOf }: Props<T>) {
  const place = (column: SheetColumn<T>, i: number) =>
    cx("px-2 sm:px-4 last:pr-4 whitespace-nowrap", column.left ? "text-left" : "text-right", i === 0 && "pl-4 sticky left-0 bg-surface z-10 max-w-48 truncate");
  return (
    <div className="overflow-x-auto relative" tabIndex={0} role="region" aria-label={`${label}, scrolls`}>
      <table className="w-full border-collapse num" aria-label={label}>
        <thead>
          <tr className="h-9 text-xs text-soft border-b border-line">
            {columns.map((c, i) => <th key={i} scope="col" className={cx(place(c, i), "font-medium")}>{c.head}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} className="h-10 border-b border-line last:border-0">
              {columns.map((c, i) => (i === 0 ?
                <th key={i} scope="row" className={cx(place(c, i), "font-normal")}>{c.cell(row)}</th> :
                <td key={i} className={cx(place(c, i), c.strong && "font-medium")}>{c.cell(row)}</td>))}
            </tr>
          ))}
        </tbody>
        {columns.some((c) => c.foot !== undefined) && rows.length > 1 && (
          <tfoot>
            <tr className="h-11 border-t border-edge font-semibold">
              {columns.map((c, i) => (i === 0 ? <th key={i} scope="row" className={cx(place(c, i), "font-semibold")}>{c.foot}</th> : <td key={i} className={place(c, i)}>{c.foot}</td>))}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

/** The share of a whole, drawn beside its figure. It is of 100 in whole steps. */
export function Share({ of: part, whole, tone = "accent" }: { of: bigint; whole: bigint; tone?: "accent" | "promo" | "warn" }) {
  const share = whole > 0n && part > 0n ? Number((part * 100n) / whole) : 0;
  const tones = { accent: "bg-accent", promo: "bg-promo", warn: "bg-warn" };
  return <div aria-hidden className="h-1.5 w-full min-w-16 rounded-full bg-sunken overflow-hidden"><div className={cx("h-full rounded-full", tones[tone])} style={{ width: `${share}%` }} /></div>;
}
