import * as Menu from "@radix-ui/react-dropdown-menu";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import {
  Activity, ChartColumn, ChevronsUpDown, CreditCard, FileText, Gauge, KeyRound, LogOut, Menu as Bars, Monitor, Moon, Package, Receipt, RefreshCw, ScrollText,
  Search, Settings, ShieldAlert, ShieldCheck, Sun, Undo2, Users, UsersRound, Webhook,
} from "lucide-react";
import { lazy, useEffect, useState, type ReactNode } from "react";
import { useLive, useLiveState } from "../api/live";
import { Choice, cx, IconButton } from "../ui/base";
import { Modal } from "../ui/dialog";
import { Later } from "../ui/show";
import { Toasts } from "../ui/toast";
import { Mark } from "./mark";
import { useSigned } from "./session";
import { setTheme, useTheme } from "./theme";

const loadPalette = () => import("./palette");
const Palette = lazy(loadPalette);

export const places = [
  { group: "", items: [{ to: "/", text: "Overview", icon: Gauge, keys: "g o" }, { to: "/customers", text: "Customers", icon: Users, keys: "g c" },
    { to: "/reports", text: "Reports", icon: ChartColumn, keys: "g b" }] },
  {
    group: "Billing", items: [
      { to: "/payments", text: "Payments", icon: CreditCard, keys: "g p" }, { to: "/invoices", text: "Invoices", icon: FileText, keys: "g i" },
      { to: "/subscriptions", text: "Subscriptions", icon: RefreshCw, keys: "g s" }, { to: "/refunds", text: "Refunds", icon: Undo2, keys: "g r" },
      { to: "/disputes", text: "Disputes", icon: ShieldAlert, keys: "g d" }, { to: "/products", text: "Products", icon: Package, keys: "g u" },
    ],
  },
  {
    group: "Developers", items: [
      { to: "/events", text: "Events", icon: Activity, keys: "g e" }, { to: "/webhooks", text: "Webhooks", icon: Webhook, keys: "g w" },
      { to: "/keys", text: "API keys", icon: KeyRound, keys: "g k" },
    ],
  },
  {
    group: "Business", items: [
      { to: "/audit", text: "Audit log", icon: ScrollText, keys: "g a" }, { to: "/team", text: "Team", icon: UsersRound, keys: "g t" },
      { to: "/settings", text: "Settings", icon: Settings, keys: "g ," },
    ],
  },
] as const;

function Nav({ onGo }: { onGo?: () => void }) {
  return (
    <nav aria-label="Pages" className="flex-1 overflow-y-auto px-3 pb-4">
      {places.map(({ group, items }) => (
        <div key={group} className="mt-4">
          {group && <p className="px-2.5 mb-1 text-xs font-medium text-faint">{group}</p>}
          {items.map(({ to, text, icon: Icon }) => (
            <Link key={to} to={to} onClick={onGo} activeOptions={{ exact: to === "/" }}
              className="group flex items-center gap-2.5 h-8 px-2.5 rounded-lg font-medium text-soft hover:bg-sunken hover:text-ink data-[status=active]:bg-sunken data-[status=active]:text-ink">
              <Icon size={16} aria-hidden className="text-faint group-data-[status=active]:text-accent" />{text}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}

const item = "flex items-center gap-2.5 h-8 px-2.5 rounded-md text-base select-none outline-none data-[highlighted]:bg-sunken";

function Pop({ label, trigger, children }: { label: string; trigger: ReactNode; children: ReactNode }) {
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger asChild>{trigger}</Menu.Trigger>
      <Menu.Portal>
        <Menu.Content aria-label={label} sideOffset={6} align="end" collisionPadding={8}
          className="z-40 min-w-56 max-w-80 bg-surface border border-line rounded-xl shadow-pop p-1.5 rise">
          {children}
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

function BusinessMenu() {
  const { business, session, change } = useSigned();
  const head = (
    <>
      <Mark />
      <span className="flex-1 min-w-0 text-left font-semibold truncate" dir="auto">{business.name}</span>
    </>
  );
  if (session.businesses.length < 2) return <div className="flex items-center gap-2.5 h-14 px-4">{head}</div>;
  return (
    <Pop label="Businesses" trigger={
      <button type="button" className="flex items-center gap-2.5 h-14 px-4 w-full hover:bg-sunken">{head}<ChevronsUpDown size={14} aria-hidden className="text-faint" /></button>
    }>
      {session.businesses.map((b) => (
        <Menu.Item key={b.business_id} className={item} onSelect={() => change({ business: b.business_id })}>
          <span className="truncate" dir="auto">{b.name}</span>
        </Menu.Item>
      ))}
    </Pop>
  );
}

function UserMenu() {
  const { session, business, signOut } = useSigned();
  const { chosen } = useTheme();
  const go = useNavigate();
  const { user } = session;
  const themes = [["system", "System", Monitor], ["light", "Light", Sun], ["dark", "Dark", Moon]] as const;
  return (
    <Pop label="Account" trigger={
      <button type="button" aria-label="Account" className="size-8 rounded-full bg-tint text-accent font-semibold text-sm uppercase">
        {(user.name || user.email).slice(0, 1)}
      </button>
    }>
      <div className="px-2.5 py-1.5 min-w-0">
        <p className="font-medium truncate" dir="auto">{user.name || user.email}</p>
        <p className="text-sm text-soft truncate">{user.email} · {business.role.replace("_", " ")}</p>
      </div>
      <Menu.Separator className="h-px bg-line my-1.5" />
      <Menu.Item className={item} onSelect={() => void go({ to: "/account" })}><ShieldCheck size={16} aria-hidden className="text-faint" />Account and security</Menu.Item>
      <Menu.RadioGroup value={chosen} onValueChange={(next) => setTheme(next as typeof chosen)}>
        {themes.map(([name, text, Icon]) => (
          <Menu.RadioItem key={name} value={name} onSelect={(e) => e.preventDefault()}
            className={cx(item, "data-[state=checked]:text-accent")}>
            <Icon size={16} aria-hidden className="text-faint" />{text} theme
          </Menu.RadioItem>
        ))}
      </Menu.RadioGroup>
      <Menu.Separator className="h-px bg-line my-1.5" />
      <Menu.Item className={item} onSelect={signOut}><LogOut size={16} aria-hidden className="text-faint" />Sign out</Menu.Item>
    </Pop>
  );
}

function Live() {
  const state = useLiveState();
  const text = { live: "Streaming", connecting: "Connecting", off: "Offline" }[state];
  return (
    <span className="hidden sm:inline-flex items-center gap-1.5 text-sm text-soft" title="Whether this page follows what happens as it happens">
      <span aria-hidden className={cx("size-1.5 rounded-full", state === "live" ? "bg-good" : state === "off" ? "bg-bad" : "bg-warn pulse")} />{text}
    </span>
  );
}

const isTyping = (e: KeyboardEvent) => (e.target as HTMLElement).closest("input, textarea, select, [contenteditable], dialog") !== null;

/** Keys that work anywhere: ⌘K and / for the palette, g and a letter to go somewhere. */
function useKeys(open: () => void, off: boolean) {
  const go = useNavigate();
  useEffect(() => {
    if (off) return;
    let before = 0;
    const press = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        open();
        return;
      }
      if (e.metaKey || e.ctrlKey || e.altKey || isTyping(e)) return;
      if (e.key === "/") {
        e.preventDefault();
        open();
      } else if (e.key === "g") {
        before = Date.now();
      } else if (Date.now() - before < 1200) {
        before = 0;
        const found = places.flatMap((p) => [...p.items]).find((i) => i.keys === "g " + e.key);
        if (found) void go({ to: found.to });
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [go, open, off]);
}

export function Shell() {
  const { mode, change, business } = useSigned();
  const [menu, setMenu] = useState(false);
  const [palette, setPalette] = useState(false);
  const [openPalette] = useState(() => () => setPalette(true));
  useKeys(openPalette, palette);
  useEffect(() => {
    const timer = setTimeout(() => void loadPalette(), 1500); // so that the first letters are not lost
    return () => clearTimeout(timer);
  }, []);
  useLive(mode + business.business_id);
  const path = useRouterState({ select: (s) => s.location.pathname });
  useEffect(() => {
    document.getElementById("content")?.scrollTo(0, 0);
  }, [path]);
  const apple = /Mac|iP/.test(navigator.platform);
  return (
    <div className="h-dvh flex">
      <a href="#content" className="sr-only focus:not-sr-only focus:fixed focus:z-50 focus:top-2 focus:left-2 focus:card focus:px-3 focus:py-2">Skip to the content</a>
      <aside className="hidden lg:flex w-60 shrink-0 flex-col border-r border-line bg-surface"><BusinessMenu /><Nav /></aside>
      <div className="flex-1 min-w-0 flex flex-col">
        {mode === "test" && <div className="h-0.5 bg-flag shrink-0" aria-hidden />}
        <header className="h-14 shrink-0 flex items-center gap-2 sm:gap-3 px-3 sm:px-6 border-b border-line bg-surface">
          <IconButton label="Menu" className="lg:hidden" onClick={() => setMenu(true)}><Bars size={18} aria-hidden /></IconButton>
          <button type="button" onClick={() => setPalette(true)} aria-label="Search and commands"
            className="flex items-center gap-2 h-8 px-2.5 rounded-lg border border-edge text-faint hover:border-faint min-w-0 sm:w-72">
            <Search size={15} aria-hidden /><span className="hidden sm:block flex-1 text-left">Search or jump to</span>
            <kbd className="hidden sm:inline-flex key">{apple ? "⌘" : "Ctrl"} K</kbd>
          </button>
          <div className="flex-1" />
          <Live />
          <Choice label="Mode" value={mode} of={[["test", "Test"], ["live", "Live"]]} onChange={(next) => change({ mode: next })} />
          <UserMenu />
        </header>
        <main id="content" tabIndex={-1} className="flex-1 overflow-y-auto focus:outline-none">
          <div className="max-w-6xl mx-auto px-4 sm:px-6 py-6"><Outlet /></div>
        </main>
      </div>
      {menu && (
        <Modal kind="menu" label="Menu" onClose={() => setMenu(false)}>
          <BusinessMenu /><Nav onGo={() => setMenu(false)} />
        </Modal>
      )}
      {palette && <Later><Palette onClose={() => setPalette(false)} /></Later>}
      <Toasts />
    </div>
  );
}

export function NotFound() {
  return (
    <div className="py-20 text-center">
      <Receipt size={28} className="mx-auto text-faint" aria-hidden />
      <h1 className="text-xl font-semibold mt-3">There is no such page</h1>
      <p className="text-soft mt-1">Perhaps it is in the other mode. <Link to="/" className="text-accent underline">Go to the overview</Link></p>
    </div>
  );
}
