// Package webhook sends what has happened to the receivers that a business has
// named, in the form of Standard Webhooks (https://www.standardwebhooks.com): it
// signs a message, makes one attempt to deliver it, and says when the next is due.
//
// A receiver's URL is chosen by a stranger, and Billfold runs inside somebody's
// network. [Guard] is what keeps the one away from the other. A URL is looked at
// when it is set, so that its owner is told; what counts is the look at the address
// of each connection that is about to be made, after the name was resolved, so that
// no spelling of an address and no name server that changes its mind gets past it.
package webhook
