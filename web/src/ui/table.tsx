import { tableFeatures, useTable, type ColumnDef, type RowData } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Button, cx, Failure, Skeleton } from "./base";

/** One column of a table. What is wide is left out on narrow screens, as `from` says. */
export interface Column<T> {
  id: string;
  head: string;
  cell: (row: T) => ReactNode;
  width: string; // of a grid, such as "minmax(8rem,2fr)"
  right?: boolean;
  from?: "sm" | "md" | "lg";
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[] | undefined;
  keyOf: (row: T) => string;
  empty: ReactNode;
  error?: unknown;
  retry?: () => void;
  more?: () => void; // asks for what follows; absent when nothing does
  loadingMore?: boolean;
  fresh?: ReadonlySet<string>; // keys of rows that just came
  footer?: ReactNode;
}

const features = tableFeatures({});
const rowHeight = 44;
const breakpoints = { sm: 640, md: 768, lg: 1100 };

function useWidth(): number {
  const [width, setWidth] = useState(window.innerWidth);
  useEffect(() => {
    const measure = () => setWidth(window.innerWidth);
    window.addEventListener("resize", measure);
    return () => window.removeEventListener("resize", measure);
  }, []);
  return width;
}

/** The element that scrolls the page. */
export function scroller(): HTMLElement | null {
  return document.getElementById("content");
}

/**
 * A table of which only the rows in sight are in the page, however many there are. More is
 * asked for when the last comes near. Arrow keys, j and k go through the rows.
 */
export function Table<T extends RowData>({ label, columns, rows, keyOf, empty, error, retry, more, loadingMore, fresh, footer }: Props<T>) {
  const width = useWidth();
  const shown = columns.filter((c) => !c.from || width >= breakpoints[c.from]);
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useEffect(() => {
    const place = () => {
      const outer = scroller();
      if (outer && body.current) setMargin(body.current.getBoundingClientRect().top - outer.getBoundingClientRect().top + outer.scrollTop);
    };
    place();
    const observer = new ResizeObserver(place);
    const inner = scroller()?.firstElementChild;
    if (inner) observer.observe(inner);
    return () => observer.disconnect();
  }, []);
  const count = rows?.length ?? 0;
  const virtual = useVirtualizer({
    count, getScrollElement: scroller, estimateSize: () => rowHeight, overscan: 12, scrollMargin: margin,
  });
  const items = virtual.getVirtualItems().filter((item) => item.index < count);
  // The table gets those rows alone that are in sight, so what a page more costs does not
  // grow with what was loaded before.
  const table = useTable({
    features,
    data: items.map((item) => rows![item.index]!),
    getRowId: keyOf,
    columns: shown.map((c): ColumnDef<typeof features, T> => ({ id: c.id, header: c.head, cell: (cell) => c.cell(cell.row.original) })),
  });
  const model = table.getRowModel().rows;
  const lastShown = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (more && !loadingMore && lastShown >= count - 15) more();
  }, [more, loadingMore, lastShown, count]);

  if (error && !rows) return <Failure error={error} retry={retry} />;
  if (rows?.length === 0) return <>{empty}</>;
  const grid = { gridTemplateColumns: shown.map((c) => c.width).join(" ") };
  return (
    <div role="table" aria-label={label} aria-rowcount={more ? -1 : (rows?.length ?? 0) + 1} aria-busy={!rows || undefined} onKeyDown={walk}>
      <div role="rowgroup">
        <div role="row" className="grid gap-4 px-4 h-9 items-center border-b border-line text-xs font-medium text-soft" style={grid}>
          {shown.map((c) => <div key={c.id} role="columnheader" className={cx("truncate", c.right && "text-right")}>{c.head}</div>)}
        </div>
      </div>
      <div role="rowgroup" ref={body} className="relative" style={rows && { height: virtual.getTotalSize() }}>
        {!rows && Array.from({ length: 6 }, (_, i) => (
          <div key={i} role="row" className="grid gap-4 px-4 h-11 items-center border-b border-line" style={grid}>
            {shown.map((c) => <div key={c.id} role="cell"><Skeleton className={cx("h-3.5 w-3/5", c.right && "ml-auto")} /></div>)}
          </div>
        ))}
        {items.map((item, place) => {
          const row = model[place]!;
          return (
            <div key={row.id} role="row" aria-rowindex={item.index + 2}
              className={cx("absolute inset-x-0 top-0 grid gap-4 px-4 h-11 items-center border-b border-line hover:bg-sunken has-[a:focus-visible]:bg-tint has-[button:focus-visible]:bg-tint",
                fresh?.has(row.id) && "wash")}
              style={{ ...grid, transform: `translateY(${item.start - margin}px)` }}>
              {row.getAllCells().map((cell, i) => (
                <div key={cell.id} role="cell" className={cx("min-w-0 truncate", shown[i]?.right && "text-right")}><table.FlexRender cell={cell} /></div>
              ))}
            </div>
          );
        })}
      </div>
      {loadingMore && <div role="status" className="px-4 py-3 text-center text-sm text-soft">Loading more</div>}
      {error && rows ? <div className="px-4 py-3 text-center"><Button small onClick={retry}>Try again</Button></div> : null}
      {footer}
    </div>
  );
}

/** What makes all of a row the target of its link or button. */
export const rowLink = "font-medium truncate after:absolute after:inset-0 focus-visible:outline-none";

function walk(e: KeyboardEvent<HTMLElement>) {
  const step = e.key === "ArrowDown" || e.key === "j" ? 1 : e.key === "ArrowUp" || e.key === "k" ? -1 : 0;
  const at = (e.target as HTMLElement).closest<HTMLElement>("[data-row]");
  if (!step || !at || e.metaKey || e.ctrlKey || e.altKey) return;
  const all = [...e.currentTarget.querySelectorAll<HTMLElement>("[data-row]")].sort(
    (a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top);
  const next = all[all.indexOf(at) + step];
  if (!next) return;
  e.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
