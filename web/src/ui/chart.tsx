import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { useTheme } from "../app/theme";
import { decimal, minorDigits, short } from "../money/money";

interface Props {
  label: string;
  days: string[]; // such as "2026-03-01", in rising order
  series: { name: string; values: (number | null)[]; color: "accent" | "good" | "bad"; kind: "line" | "bars" }[];
  currency: string;
  height?: number;
  onHover?: (index: number | null) => void;
  onPick?: (index: number) => void;
}

const monthDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** What an axis says of an amount: in short, or with all digits where the steps are small. */
function labelOf(at: number, step: number, currency: string): string {
  const minor = BigInt(Math.round(at));
  return step < 10 ** minorDigits(currency) ? decimal(minor, currency) : short(minor, currency);
}

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

// Steps of an axis in whole minor units, so that what stands beside it is exact.
const steps = Array.from({ length: 16 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();

function rangeOf(low: number, high: number): [number, number] {
  const span = Math.max(high, 0) - Math.min(low, 0);
  return span === 0 ? [0, 100] : [low < 0 ? Math.floor(low - span * 0.06) : 0, high > 0 ? Math.ceil(high + span * 0.06) : 0];
}

/**
 * A chart of amounts by day. Minor units are drawn as they are; what an axis says is made of
 * whole minor units again, so no amount is computed with fractions.
 */
export function Chart({ label, days, series, currency, height = 220, onHover, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const { shown } = useTheme();
  const tell = useRef({ onHover, onPick });
  tell.current = { onHover, onPick };
  useEffect(() => {
    const outer = box.current;
    if (!outer || days.length === 0) return;
    const faint = colour("faint");
    const axis = { stroke: faint, font: "11px Inter, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const tints = series.map((s) => colour(s.color));
    const bars = series.some((s) => s.kind === "bars");
    // What holds at the end of a step is drawn through it, so the last needs an end as well,
    // and bars need room on both sides.
    const at = days.map((d) => Date.parse(d) / 1000);
    const step = at.length > 1 ? at.at(-1)! - at.at(-2)! : 86_400;
    const data: uPlot.AlignedData = bars ? [at, ...series.map((s) => s.values)] : [[...at, at.at(-1)! + step], ...series.map((s) => [...s.values, s.values.at(-1) ?? null])];
    const known = (idx: number | null | undefined) => (idx == null ? null : Math.min(idx, days.length - 1));
    const plot = new uPlot({
      width: outer.clientWidth, height, legend: { show: false }, padding: [8, 8, 0, 0],
      scales: { x: { time: true, ...(bars ? { range: [at[0]! - step / 2, at.at(-1)! + step / 2] as [number, number] } : {}) }, y: { range: (_, low, high) => rangeOf(low ?? 0, high ?? 0) } },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      axes: [
        { ...axis, grid: { show: false }, size: 28, space: 64, values: (_, splits) => splits.map((split) => (split > at.at(-1)! ? "" : monthDay.format(split * 1000))) },
        {
          ...axis, size: 68, space: 28, incrs: steps,
          values: (_, splits, _axis, _space, step) => splits.map((at) => labelOf(at, step, currency)),
        },
      ],
      series: [{}, ...series.map((s, i) => ({
        label: s.name, stroke: tints[i], width: 1.75, points: { show: false },
        ...(s.kind === "line" ? { paths: uPlot.paths.stepped!({ align: 1 }), fill: tints[i] + "18" } :
          { paths: uPlot.paths.bars!({ size: [0.7, 24], radius: 0.2 }), fill: tints[i] + "cc", width: 0 }),
      }))],
      hooks: {
        setCursor: [(u) => tell.current.onHover?.(known(u.cursor.idx))],
      },
    }, data, outer);
    const pick = () => {
      const index = known(plot.cursor.idx);
      if (index !== null) tell.current.onPick?.(index);
    };
    plot.over.addEventListener("click", pick);
    const observer = new ResizeObserver(() => plot.setSize({ width: outer.clientWidth, height }));
    observer.observe(outer);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [days, series, currency, height, shown]);
  return <div ref={box} role="img" aria-label={label} className={onPick ? "cursor-crosshair" : undefined} style={{ height }} />;
}
