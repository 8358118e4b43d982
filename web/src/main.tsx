import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { APIError } from "./api/client";
import { router } from "./app/router";
import { SignedIn, useSession } from "./app/session";
import { Join, SignIn } from "./app/signin";
import { startTheme } from "./app/theme";
import { Empty, Failure } from "./ui/base";
import "./styles.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // What was refused stays refused; what did not arrive may yet.
      retry: (count, error) => count < 2 && !(error instanceof APIError && error.status > 0 && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
});

function App() {
  const [token] = useState(() => (/\/join\/?$/.test(location.pathname) ? location.hash.slice(1) : ""));
  const session = useSession();
  if (token) return <Join token={token} />;
  if (session.error) return <main className="min-h-dvh grid place-items-center"><Failure error={session.error} retry={() => void session.refetch()} /></main>;
  if (session.data === undefined) return null;
  if (!session.data) return <SignIn />;
  return (
    <SignedIn session={session.data} none={<main className="min-h-dvh grid place-items-center"><Empty title="You are in no business">Ask for an invitation.</Empty></main>}>
      <RouterProvider router={router} />
    </SignedIn>
  );
}

startTheme();
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={client}><App /></QueryClientProvider>
  </StrictMode>,
);
