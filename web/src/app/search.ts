import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Search } from "./router";

/** The filters in the address, and how to change some of them. An empty text takes one out. */
export function useFilters(): [Search, (change: Search) => void] {
  const search = useSearch({ strict: false }) as Search;
  const go = useNavigate();
  const set = useCallback((change: Search) => {
    void go({
      to: ".", replace: true, resetScroll: false,
      search: ((before: Search) => {
        const next = { ...before, ...change };
        for (const name of Object.keys(next)) if (!next[name]) delete next[name];
        return next;
      }) as never,
    });
  }, [go]);
  return [search, set];
}
