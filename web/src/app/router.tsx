import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { dashboardPath } from "../api/client";
import { Failure } from "../ui/base";
import { NotFound, Shell } from "./shell";

/** Filters and what is open, as they stand in the address. All are texts. */
export type Search = Record<string, string | undefined>;

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => <Failure error={error} retry={reset} />,
  validateSearch: (search: Record<string, unknown>): Search =>
    Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => [name, String(value)])),
});

const page = <const P extends string>(path: P, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load as () => Promise<Record<string, never>>, name) });

const routes = root.addChildren([
  page("/", () => import("../pages/overview"), "Overview"),
  page("/customers", () => import("../pages/customers"), "Customers"),
  page("/customers/$id", () => import("../pages/customer"), "CustomerPage"),
  page("/customers/$id/$tab", () => import("../pages/customer"), "CustomerPage"),
  page("/payments", () => import("../pages/billing"), "Payments"),
  page("/payments/$id", () => import("../pages/payment"), "PaymentPage"),
  page("/invoices", () => import("../pages/billing"), "Invoices"),
  page("/subscriptions", () => import("../pages/billing"), "Subscriptions"),
  page("/refunds", () => import("../pages/billing"), "Refunds"),
  page("/disputes", () => import("../pages/billing"), "Disputes"),
  page("/products", () => import("../pages/products"), "Products"),
  page("/reports", () => import("../pages/reports"), "Reports"),
  page("/reports/$name", () => import("../pages/reports"), "Reports"),
  page("/events", () => import("../pages/events"), "Events"),
  page("/webhooks", () => import("../pages/webhooks"), "Webhooks"),
  page("/webhooks/$id", () => import("../pages/webhook"), "WebhookPage"),
  page("/keys", () => import("../pages/keys"), "Keys"),
  page("/audit", () => import("../pages/audit"), "Audit"),
  page("/team", () => import("../pages/team"), "Team"),
  page("/settings", () => import("../pages/settings"), "Settings"),
  page("/account", () => import("../pages/account"), "Account"),
]);

export const router = createRouter({
  routeTree: routes, basepath: dashboardPath, defaultPreload: "intent", defaultPendingMs: 400,
  // Texts as they are, so that an address is one that people can read.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const text = new URLSearchParams(Object.entries(search).filter((pair): pair is [string, string] => !!pair[1])).toString();
    return text ? "?" + text : "";
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
