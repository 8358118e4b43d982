package httpapi

// CodeStatus is what the server makes of an error code, for the comparison
// with the contract.
type CodeStatus struct {
	Status    int
	Retryable bool
}

// CodeStatuses returns the server's map from codes to statuses.
func CodeStatuses() map[string]CodeStatus {
	statuses := make(map[string]CodeStatus, len(answers))
	for code, answer := range answers {
		statuses[string(code)] = CodeStatus{Status: answer.status, Retryable: answer.retryable}
	}
	return statuses
}

// HoldScrapes takes every place that answers with metrics may have, until
// release is called.
func (s *Server) HoldScrapes() (release func()) {
	s.scrapes.take(scrapesMax)
	return func() { s.scrapes.give(scrapesMax) }
}
