// Package ledger is the heart of Billfold: the words, the rules and the
// storage contract of customer wallets. It decides; it never reads a clock,
// draws a random number, opens a file or speaks to a network.
//
// # The words
//
//   - A business is a tenant. It has two modes, test and live, which share
//     nothing but the name. A [Tenant] is a business in one mode.
//   - A [Customer] belongs to a tenant and is the unit of order and of locking.
//   - A [Wallet] is one customer's balance in one currency.
//   - An [Entry] is one immutable line of a wallet. Its Position counts all
//     entries of the customer from 1, its Seq those of the wallet from 1.
//   - A counter [Account] is the other side of an entry, so that each entry is
//     a double entry in one row: a credit of 500 counted against `merchant`
//     reads "wallet +500, merchant -500".
//   - A [Lot] is what one credit left to spend. An [Allocation] says how much
//     of which lot a debit took.
//   - An expiry entry takes what an expired lot has left. The lot could not be
//     spent since the instant of its expiry; the entry only says so in the
//     balance, and counts it as breakage.
//   - A [Transfer] moves money from one customer to another in two legs, each a
//     commit about one of them: a debit and credits against the same account.
//   - The balance is all entries; the available balance is what a debit may
//     take now: balance, less what is held, less what has expired.
//   - A [Freeze] keeps the money of a customer, or of one wallet, where it is:
//     debits are refused, or everything. What is frozen still expires.
//   - The audit trail of a customer has a line, an [AuditEntry], for each change
//     that is no entry: who asked for it, why, and what became different.
//   - The [Chain] is the customer's last position and the hash of the entry
//     that stands there; each hash covers the entry and the hash before it.
//
// # The shape
//
// [Book] takes a request, fixes its id and time, and asks the [Store] to run a
// decision over a locked [Snapshot]. [Post] is that decision: pure, total and
// deterministic, so that a store may run it twice and tests may compare. The
// [Change] it returns is everything that is written, nothing is added later.
// [Expire] is the other decision; nobody requests it, [Book.Sweep] asks for it.
// [DecideFreeze] and [Amend] decide what becomes of a customer, in the same way.
//
// # The order of checks
//
// Requests are refused by the first rule of a fixed ladder, see [Post] and
// [PostRequest.Validate]; an idempotency key is looked up before any rule that
// depends on time or state (law K10).
package ledger
