package processor

import (
	"time"

	"github.com/billfold/billfold/internal/billing"
)

// SandboxDispute is something that the sandbox says of the dispute about a payment.
type SandboxDispute struct {
	After time.Duration // that it was paid
	billing.DisputeMessage
}

// SandboxDisputes are what the sandbox says of the dispute about a payment with a method, in
// the order of their times; none of most methods.
func SandboxDisputes(method string) []SandboxDispute {
	stage, end := billing.StageDispute, billing.DisputeWon
	switch method {
	case SandboxDisputeWon:
	case SandboxDisputeLost:
		end = billing.DisputeLost
	case SandboxDisputeInquiry:
		stage = billing.StageInquiry
	default:
		return nil
	}
	return []SandboxDispute{
		{time.Hour, billing.DisputeMessage{Stage: stage, Status: billing.DisputeOpened}},
		{2 * time.Hour, billing.DisputeMessage{Stage: stage, Status: end}},
	}
}
