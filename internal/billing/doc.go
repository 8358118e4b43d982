// Package billing decides how an invoice is paid: from the wallet first, and what
// the wallet cannot pay by card. It is pure: what it decides it decides from what it
// is given, and it calls nobody.
package billing
