package httpapi

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// TestErrorsAreDocumented compares the map of codes with docs/errors.md.
func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatalf("read the table of errors: got error %v, want none", err)
	}
	type row struct {
		Status    int
		Retryable bool
	}
	documented := map[ledger.Code]row{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (\\d+) \\| (yes|no) \\| \\S.* \\|$").FindAllSubmatch(document, -1) {
		status, err := strconv.Atoi(string(match[2]))
		if err != nil {
			t.Fatalf("%s: got error %v, want none", match[0], err)
		}
		code := ledger.Code(match[1])
		if _, twice := documented[code]; twice {
			t.Errorf("%s is in the table twice", code)
		}
		documented[code] = row{status, string(match[3]) == "yes"}
	}
	served := map[ledger.Code]row{}
	for code, answer := range answers {
		served[code] = row{answer.status, answer.retryable}
	}
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("docs/errors.md and the map of codes differ (-document +code):\n%s", diff)
	}
}

// ofRefunds are the codes that only requests for refunds are answered with.
var ofRefunds = map[ledger.Code]bool{
	billing.CodePaymentNotSucceeded: true, billing.CodeAlreadyRefunded: true, billing.CodeRefundExceeds: true,
	billing.CodeRefundProcessing: true, billing.CodeNothingPaid: true, billing.CodeLineNotFound: true,
	billing.CodeLineTwice: true, billing.CodeLineRefunded: true, billing.CodeLineTooHigh: true, billing.CodeLineTooLow: true,
	collect.CodeRefundWindow: true, billing.CodeNothingToRefund: true,
}

// inTheWay are the codes of what another thing stands in the way of, which the published
// format answers with 409 on routes that take no duplicates.
var inTheWay = map[ledger.Code]bool{
	billing.CodePendingPlanChange: true, billing.CodeScheduledPlanChange: true, collect.CodeMethodInUse: true,
	people.CodeUserExists: true, people.CodeLastOwner: true,
}

// TestStatusesOfTheMoneyRoute keeps 400 and 409 for what clients take them for.
func TestStatusesAreReserved(t *testing.T) {
	t.Parallel()
	for code, answer := range answers {
		if (answer.status == 400) != (code == ledger.CodeInsufficientFunds || ofRefunds[code]) {
			t.Errorf("%s has status %d; 400 means insufficient funds, or that a refund is refused", code, answer.status)
		}
		if (answer.status == 409) != (code == CodeDuplicateKey || inTheWay[code]) {
			t.Errorf("%s has status %d; 409 means a duplicate, or what a subscription has in the way", code, answer.status)
		}
	}
}
