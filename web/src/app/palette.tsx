import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { ArrowRight, Moon, SunMedium, ToggleLeft, UserRound } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { useGet } from "../api/queries";
import type { Customer, Page } from "../api/types";
import { Modal } from "../ui/dialog";
import { useSigned } from "./session";
import { places } from "./shell";
import { setTheme, useTheme } from "./theme";

// Where an id leads, by its prefix.
const objects: [RegExp, string][] = [
  [/^cus_[A-Za-z0-9_-]+$/, "/customers/$"], [/^pay_[A-Za-z0-9_-]+$/, "/payments/$"], [/^whk_[A-Za-z0-9_-]+$/, "/webhooks/$"],
  [/^sub_[A-Za-z0-9_-]+$/, "/subscriptions?open=$"], [/^inv_[A-Za-z0-9_-]+$/, "/invoices?open=$"], [/^ref_[A-Za-z0-9_-]+$/, "/refunds?open=$"],
  [/^dsp_[A-Za-z0-9_-]+$/, "/disputes?open=$"], [/^pdt_[A-Za-z0-9_-]+$/, "/products?open=$"],
];

const row = "flex items-center gap-3 h-10 px-3 rounded-lg cursor-pointer data-[selected=true]:bg-sunken text-base min-w-0";
const group = "[&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:pt-3 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-soft";

/** Finds pages, customers and commands by typing. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const go = useNavigate();
  const { mode, change } = useSigned();
  const { shown } = useTheme();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState("");
  const asked = useDeferredValue(text.trim());
  const mail = asked.includes("@");
  const found = useGet<Page<Customer>>("/customers", mail ? { email: asked, page_size: 6 } : { name: asked, page_size: 6 }, { enabled: asked.length > 1, keep: true });
  const object = objects.find(([pattern]) => pattern.test(asked));
  const run = (act: () => void) => () => { onClose(); act(); };
  const to = (path: string) => run(() => {
    const [pathname, search] = path.split("?");
    void go({ to: pathname!, search: (search ? Object.fromEntries(new URLSearchParams(search)) : {}) as never });
  });
  const fits = (name: string) => name.toLowerCase().includes(asked.toLowerCase());
  const pages = places.flatMap((p) => [...p.items]).filter((i) => fits(i.text));
  const other = mode === "test" ? "live" : "test";
  const commands = [
    { text: `Switch to ${other} mode`, icon: ToggleLeft, act: () => change({ mode: other }) },
    { text: shown === "dark" ? "Light theme" : "Dark theme", icon: shown === "dark" ? SunMedium : Moon, act: () => setTheme(shown === "dark" ? "light" : "dark") },
  ].filter((c) => fits(c.text));
  const customers = asked.length > 1 ? found.data?.items ?? [] : [];
  // What is found comes later than what is typed: the first of what is there is always chosen, so that Enter leads somewhere.
  const rows = [...(object ? ["object"] : []), ...customers.map((c) => c.customer_id), ...pages.map((p) => p.to as string), ...commands.map((c) => c.text)];
  return (
    <Modal kind="palette" label="Search and commands" onClose={onClose}>
      <Command shouldFilter={false} value={rows.includes(chosen) ? chosen : rows[0] ?? ""} onValueChange={setChosen} label="Search and commands" className="flex flex-col min-h-0">
        <Command.Input value={text} onValueChange={setText} autoFocus placeholder="A page, a customer's name or email, or an id"
          className="h-13 px-5 text-lg bg-transparent focus:outline-none border-b border-line" />
        <Command.List className="overflow-y-auto p-2 min-h-0 max-h-[50dvh] focus:outline-none">
          {!object && !customers.length && !pages.length && !commands.length && (
            <p className="py-10 text-center text-soft">{found.isFetching ? "Searching" : "Nothing was found"}</p>
          )}
          {object && (
            <Command.Item className={row} value="object" onSelect={to(object[1].replace("$", asked))}><ArrowRight size={16} aria-hidden />Open <span className="font-mono text-sm">{asked}</span></Command.Item>
          )}
          {customers.length > 0 && (
            <Command.Group heading="Customers" className={group}>
              {customers.map((c) => (
                <Command.Item key={c.customer_id} value={c.customer_id} className={row} onSelect={to("/customers/" + c.customer_id)}>
                  <UserRound size={16} className="text-faint shrink-0" aria-hidden /><span className="truncate" dir="auto">{c.name}</span>
                  <span className="text-soft truncate ml-auto">{c.email}</span>
                </Command.Item>
              ))}
            </Command.Group>
          )}
          {pages.length > 0 && (
            <Command.Group heading="Pages" className={group}>
              {pages.map(({ to: path, text: name, icon: Icon, keys }) => (
                <Command.Item key={path} value={path} className={row} onSelect={to(path)}>
                  <Icon size={16} className="text-faint" aria-hidden />{name}
                  <span className="ml-auto flex gap-1">{keys.split(" ").map((k) => <kbd key={k} className="key">{k}</kbd>)}</span>
                </Command.Item>
              ))}
            </Command.Group>
          )}
          {commands.length > 0 && (
            <Command.Group heading="Commands" className={group}>
              {commands.map(({ text: name, icon: Icon, act }) => (
                <Command.Item key={name} value={name} className={row} onSelect={run(act)}><Icon size={16} className="text-faint" aria-hidden />{name}</Command.Item>
              ))}
            </Command.Group>
          )}
        </Command.List>
      </Command>
    </Modal>
  );
}
