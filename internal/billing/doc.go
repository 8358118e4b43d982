// Package billing decides how an invoice is paid: from the wallet first, and what
// the wallet cannot pay by card. It is pure: what it decides it decides from what it
// is given, and it calls nobody.
//
// # The words
//
//   - A [Tender] is how an invoice is split between wallet and card.
//
//   - A [Collection] is how far one invoice is from being paid. It is stored, and all
//     that anybody needs to go on with it after a crash is in it.
//
//   - A try is one way through a collection: the wallet is looked at, the card is
//     charged with what is missing, and it works or not. Tries follow a schedule.
//
//   - An [Attempt] is one payment at the card processor. Its number grows after a
//     definite decline and at no other time (law S3).
//
//   - A [Refund] gives back what was paid, to where it came from. A [Dispute] asks of
//     the lot that a card payment opened what the processor's messages ask.
//
//   - A [Subscription] asks for an invoice each period. [DecideSubscription] says when,
//     and what becomes of it when invoices are paid or not.
//
// # The shape
//
// [Next] says from a collection alone what is to be done: a call of the processor, or
// a decision. [Decide] says what becomes of a collection when that is done, what moves
// in the wallet with it, and which events tell of it; all of a [Step] is committed in
// one transaction or none of it. So recovery is no case of its own: whoever finds a
// collection asks Next.
//
// A call is never made inside a transaction. What identifies it is stored before it is
// made; so a call that was perhaps made is made again and has no second effect.
package billing
