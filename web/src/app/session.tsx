import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { APIError, currentScope, get, send, setScope, whenSignedOut, type Mode } from "../api/client";
import type { Area, Membership, Session } from "../api/types";

interface Signed {
  session: Session;
  business: Membership;
  mode: Mode;
  may: (area: Area) => boolean;
  change: (next: { mode?: Mode; business?: string }) => void;
  signOut: () => void;
}

const Context = createContext<Signed | null>(null);

/** Who is signed in, for which business, and in which mode they look. */
export function useSigned(): Signed {
  const signed = useContext(Context);
  if (!signed) throw new Error("nobody is signed in here");
  return signed;
}

/** Forgets all but who is signed in, so that nobody sees what another had asked for. */
export function forget(client: QueryClient) {
  client.removeQueries({ predicate: (q) => q.queryKey[0] !== "session" });
}

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: async ({ signal }) => {
      try {
        return await get<Session>("/dashboard/api/session", undefined, signal);
      } catch (error) {
        if (error instanceof APIError && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
}

export function SignedIn({ session, none, children }: { session: Session; none: ReactNode; children: ReactNode }) {
  const client = useQueryClient();
  const [scope, keepScope] = useState(currentScope);
  const business = session.businesses.find((b) => b.business_id === scope.business) ?? session.businesses[0];
  const id = business?.business_id ?? null;
  if (scope.business !== id) setScope({ ...scope, business: id }); // before anything below asks
  useEffect(() => whenSignedOut(() => client.setQueryData(["session"], null)), [client]);
  const change = useCallback((next: { mode?: Mode; business?: string }) => {
    const now = { ...currentScope(), ...next };
    setScope(now);
    keepScope(now);
    forget(client);
  }, [client]);
  const signOut = useCallback(() => {
    // Signed out is what one is here, whatever the server says.
    void send("DELETE", "/dashboard/api/session").catch(() => {}).finally(() => {
      client.setQueryData(["session"], null);
      forget(client);
    });
  }, [client]);
  const value = useMemo(() => business && {
    session, business, mode: scope.mode, change, signOut, may: (area: Area) => business.may.includes(area),
  }, [session, business, scope.mode, change, signOut]);
  if (!value) return <>{none}</>;
  return <Context.Provider value={value}><div key={id + scope.mode} className="contents">{children}</div></Context.Provider>;
}
