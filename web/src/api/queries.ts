import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { currentScope, get, type Query } from "./client";
import type { Page } from "./types";

/** The name of something asked of the API: that of one business and mode is not another's. */
export function keyOf(path: string, query?: Query) {
  const { mode, business } = currentScope();
  return [business, mode, path, query ?? {}] as const;
}

/** Asks for one object. */
export function useGet<T>(path: string, query?: Query, options?: { enabled?: boolean; keep?: boolean; every?: number }) {
  return useQuery({
    queryKey: keyOf(path, query),
    queryFn: ({ signal }) => get<T>(path, query, signal),
    enabled: options?.enabled,
    refetchInterval: options?.every,
    placeholderData: options?.keep ? keepPreviousData : undefined,
  });
}

const pageSize = 50;
const deep = 10; // pages, from which on a list is not asked for again as a whole

/** Asks for a list, page after page, by the cursor of the page before. */
export function useList<T>(path: string, query: Query = {}, options?: { enabled?: boolean; size?: number }) {
  const queryKey = [...keyOf(path, query), "list"];
  const loaded = useQueryClient().getQueryData<InfiniteData<Page<T>>>(queryKey)?.pages.length ?? 0;
  const result = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      get<Page<T>>(path, { ...query, page_size: options?.size ?? pageSize, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // Who has gone far down reads on, and is not made to wait for a thousand pages again
    // whenever something happens at the top.
    enabled: options?.enabled !== false && loaded <= deep,
    structuralSharing: false, // comparing all that was loaded with itself grows with it
    placeholderData: keepPreviousData,
  });
  return {
    rows: result.data?.pages.flatMap((page) => page.items),
    error: result.error,
    retry: () => void result.refetch(),
    more: result.hasNextPage ? () => void result.fetchNextPage() : undefined,
    loadingMore: result.isFetchingNextPage,
    waiting: result.isPlaceholderData,
  };
}
