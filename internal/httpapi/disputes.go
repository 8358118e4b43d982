package httpapi

import (
	"slices"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
)

const (
	paramDisputeStage  = "dispute_stage"
	paramDisputeStatus = "dispute_status"
)

var disputeListParams = []string{
	paramPageNumber, paramPageSize, paramCursor, paramCreatedGTE, paramCreatedLTE, paramCustomerID, paramDisputeStage,
	paramDisputeStatus,
}

// handleDispute returns one dispute.
func (s *Server) handleDispute(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id := c.params[0]
	if !isID(id, collect.DisputeIDPrefix) {
		return errNotFound
	}
	dispute, err := s.collector.FindDispute(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), dispute.CustomerID)
	if err != nil {
		return err
	}
	return c.replyJSON(dispute.Face(&customer))
}

// disputeFilter reads of which stage and status disputes are asked for.
func (q *query) disputeFilter() (stage billing.DisputeStage, status billing.DisputeStatus, err error) {
	stage, status = billing.DisputeStage(q.get(paramDisputeStage)), billing.DisputeStatus(q.get(paramDisputeStatus))
	if stage != "" && !slices.Contains(billing.DisputeStages(), stage) {
		err = queryError(paramDisputeStage, "dispute_stage must be one of %v.", billing.DisputeStages())
	} else if status != "" && !slices.Contains(billing.DisputeStatuses(), status) {
		err = queryError(paramDisputeStatus, "dispute_status must be one of %v.", billing.DisputeStatuses())
	}
	return stage, status, err
}

// handleDisputeList lists disputes, newest first.
func (s *Server) handleDisputeList(c *call) error {
	q, err := c.query(disputeListParams...)
	if err != nil {
		return err
	}
	filter, err := q.invoiceFilter()
	if err != nil {
		return err
	}
	stage, status, err := q.disputeFilter()
	if err != nil {
		return err
	}
	filter.Kind = collect.Disputes
	keep := func(d *collect.Dispute) bool {
		return d.Status != "" && (stage == "" || d.Stage == stage) && (status == "" || d.Status == status)
	}
	show := func(d *collect.Dispute) (any, error) { return d.ListItem(), nil }
	return replyObjects(s, c, &q, filter, collect.DisputeOf, keep, show)
}
