package harness

import (
	"context"
	"math/rand/v2"
	"sync"
)

// gate is where clients learn which servers they may speak to. It is closed
// while no server runs, and clients wait at it.
type gate struct {
	mu      sync.Mutex
	clients []*Client
	moved   chan struct{} // closed at the next change
}

func newGate() *gate { return &gate{moved: make(chan struct{})} }

// open lets the waiting clients through to servers; without any it closes the
// gate.
func (g *gate) open(servers ...*Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clients = nil
	for _, server := range servers {
		g.clients = append(g.clients, server.Client())
	}
	close(g.moved)
	g.moved = make(chan struct{})
}

// next returns a client of any server but the last one, which went away.
func (g *gate) next(ctx context.Context, last *Client, random *rand.Rand) (*Client, error) {
	for {
		g.mu.Lock()
		clients, moved := g.clients, g.moved
		g.mu.Unlock()
		for _, n := range random.Perm(len(clients)) {
			if clients[n] != last {
				return clients[n], nil
			}
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
