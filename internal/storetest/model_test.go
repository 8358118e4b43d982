package storetest

import "testing"

func openModel(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: m, Access: m, Products: m, People: m, Webhooks: m, Sinks: m, Inbox: m}
}

func TestModel(t *testing.T) {
	Run(t, openModel)
}

func TestModelMachine(t *testing.T) {
	t.Parallel()
	RunMachine(t, openModel)
}
