import { useFilters } from "../app/search";
import { Heading, Select } from "../ui/base";
import { EventTable } from "./eventtable";

const types = ["wallet.credited", "wallet.debited", "wallet.entry_reversed", "wallet.balance_low", "wallet.balance_recovered", "wallet.funds_expiring",
  "wallet.funds_expired", "wallet.hold_created", "wallet.hold_captured", "wallet.hold_released", "wallet.hold_expired", "customer.created",
  "customer.updated", "payment.succeeded", "payment.failed", "payment.processing", "refund.succeeded", "refund.failed", "subscription.active",
  "subscription.renewed", "subscription.on_hold", "subscription.cancelled", "dunning.started", "dunning.recovered", "top_up.succeeded", "top_up.failed"];

export function Events() {
  const [filters, setFilters] = useFilters();
  return (
    <>
      <Heading title="Events" sub="What happened, newest first, and as it happens.">
        <Select label="Type" none="All types" value={filters.type ?? ""} onChange={(next) => setFilters({ type: next })} of={types.map((t) => [t, t] as const)} />
      </Heading>
      <section className="card overflow-hidden" aria-label="Events"><EventTable key={filters.type} types={filters.type} /></section>
    </>
  );
}
