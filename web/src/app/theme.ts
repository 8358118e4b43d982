import { useSyncExternalStore } from "react";
import { keep, recall } from "../api/client";

export type Theme = "system" | "light" | "dark";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let chosen = (recall("billfold.theme") as Theme | null) ?? "system";

function apply() {
  const name = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  document.documentElement.dataset.theme = name;
  for (const tell of listeners) tell();
}

export function startTheme() {
  dark.addEventListener("change", apply);
  apply();
}

export function setTheme(next: Theme) {
  chosen = next;
  keep("billfold.theme", next === "system" ? null : next);
  apply();
}

const subscribe = (tell: () => void) => (listeners.add(tell), () => void listeners.delete(tell));

/** What was chosen, and what is shown. */
export function useTheme(): { chosen: Theme; shown: string } {
  const shown = useSyncExternalStore(subscribe, () => document.documentElement.dataset.theme ?? "light");
  const now = useSyncExternalStore(subscribe, () => chosen);
  return { chosen: now, shown };
}
