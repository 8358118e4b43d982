import { X } from "lucide-react";
import { useEffect, useRef, type ReactNode } from "react";
import { cx, IconButton } from "./base";

interface Props {
  label: string;
  onClose: () => void;
  children: ReactNode;
  kind?: "dialog" | "drawer" | "palette" | "menu";
}

const places = {
  dialog: "m-auto w-[min(30rem,calc(100vw-2rem))] max-h-[calc(100dvh-3rem)] rise",
  drawer: "ml-auto h-dvh w-[min(34rem,100vw)] slide",
  palette: "mx-auto mt-[12vh] w-[min(38rem,calc(100vw-2rem))] max-h-[70dvh] rise",
  menu: "mr-auto h-dvh w-64",
};

/**
 * A dialog, a drawer at the side, or the command palette. It is the browser's own modal
 * dialog, which keeps the focus inside, gives it back, and makes the rest inert.
 */
export function Modal({ label, onClose, children, kind = "dialog" }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    // The browser would take the first button, which closes the dialog.
    dialog.querySelector<HTMLElement>(kind === "drawer" || kind === "menu" ? "[data-body]" : "input:not([readonly]), textarea, [data-body]")?.focus();
    return () => dialog.close();
  }, [kind]);
  return (
    <dialog ref={ref} aria-label={label} className={cx("fixed inset-0 size-full", "overflow-hidden")}
      onCancel={(e) => { e.preventDefault(); close.current(); }}
      onMouseDown={(e) => { if ((e.target as HTMLElement).dataset.ground) close.current(); }}>
      <div data-ground="yes" className="size-full flex">
        <div className={cx("flex flex-col bg-surface border-line shadow-pop overflow-hidden", places[kind],
          kind === "drawer" ? "border-l" : kind === "menu" ? "border-r" : "rounded-xl border")}>
          {children}
        </div>
      </div>
    </dialog>
  );
}

export function ModalHead({ title, sub, onClose }: { title: ReactNode; sub?: ReactNode; onClose: () => void }) {
  return (
    <header className="flex items-start justify-between gap-3 px-5 pt-4 pb-3 border-b border-line">
      <div className="min-w-0">
        <h2 className="text-lg font-semibold break-words">{title}</h2>
        {sub && <div className="text-soft text-sm">{sub}</div>}
      </div>
      <IconButton label="Close" onClick={onClose} className="-mr-2 shrink-0"><X size={16} aria-hidden /></IconButton>
    </header>
  );
}

export function ModalBody({ children }: { children: ReactNode }) {
  return <div data-body="yes" tabIndex={-1} className="flex-1 min-h-0 overflow-y-auto px-5 py-4 focus:outline-none">{children}</div>;
}

export function ModalFoot({ children }: { children: ReactNode }) {
  return <footer className="flex justify-end gap-2 px-5 py-3.5 border-t border-line bg-canvas">{children}</footer>;
}
