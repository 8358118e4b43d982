package httpapi

import (
	"net/http"

	"github.com/billfold/billfold/api"
	"github.com/billfold/billfold/internal/ledger"
)

// handleHealth says that the process is alive, and which one it is: a harness
// that kills it can tell the new one from the old.
func (s *Server) handleHealth(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"status":"ok"`...)
	c.reply(http.StatusOK, append(s.appendIdentity(out), '}'))
	return nil
}

func (s *Server) appendIdentity(out []byte) []byte {
	out = append(out, `,"boot_id":`...)
	out = appendString(out, s.bootID)
	out = append(out, `,"version":`...)
	return appendString(out, s.version)
}

// handleReadiness says whether the store can serve.
func (s *Server) handleReadiness(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if s.ready != nil {
		if err := s.ready(c.r.Context()); err != nil {
			return ledger.Errorf(ledger.CodeStorageUnavailable, "The store cannot serve now.").WithCause(err)
		}
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], `{"status":"ready"}`...))
	return nil
}

// handleMetrics shows the metrics in the Prometheus text format.
func (s *Server) handleMetrics(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if !s.scrapes.take(1) {
		return ledger.Errorf(ledger.CodeOverloaded, "Too many requests for metrics are waiting to be read.")
	}
	defer s.scrapes.give(1)
	c.status = http.StatusOK
	s.exporter.ServeHTTP(c.w, c.r)
	return nil
}

var headerYAML = []string{"application/yaml"}

// handleOpenAPIYAML and handleOpenAPIJSON show the published contract.
func (s *Server) handleOpenAPIYAML(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	c.replyType(http.StatusOK, headerYAML, api.OpenAPI)
	return nil
}

func (s *Server) handleOpenAPIJSON(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	c.replyType(http.StatusOK, headerJSON, api.OpenAPIJSON)
	return nil
}
