import { CircleAlert, CircleCheck } from "lucide-react";
import { useSyncExternalStore } from "react";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

let toasts: Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function change(next: Toast[]) {
  toasts = next;
  for (const tell of listeners) tell();
}

/** Says something in the corner for a few seconds. */
export function toast(text: string, bad = false) {
  const id = ++last;
  change([...toasts.slice(-2), { id, text, bad }]);
  setTimeout(() => change(toasts.filter((t) => t.id !== id)), bad ? 8000 : 4000);
}

export function Toasts() {
  const shown = useSyncExternalStore((tell) => (listeners.add(tell), () => listeners.delete(tell)), () => toasts);
  return (
    <div role="status" aria-live="polite" className="fixed bottom-4 inset-x-4 sm:left-auto sm:w-96 z-50 grid gap-2 pointer-events-none">
      {shown.map((t) => (
        <div key={t.id} className="card shadow-pop px-4 py-3 flex gap-3 items-start rise">
          {t.bad ? <CircleAlert size={18} className="text-bad shrink-0 mt-px" aria-hidden /> : <CircleCheck size={18} className="text-good shrink-0 mt-px" aria-hidden />}
          <p className="min-w-0 break-words">{t.text}</p>
        </div>
      ))}
    </div>
  );
}
