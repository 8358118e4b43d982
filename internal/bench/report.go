package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// report is everything that a run prints.
type report struct {
	options   *Options
	machine   machine
	database  string // the server of PostgreSQL, when one is measured
	figures   []figures
	starts    []startFigures
	histories []historyFigures
	checks    []checkResult
}

func (r *report) write(out io.Writer) error {
	var b strings.Builder
	m := &r.machine
	fmt.Fprintf(&b, "Machine   %s, %d cores, %s of memory, Linux %s\n", m.processor, m.cores, bytesText(m.memory), m.kernel)
	fmt.Fprintf(&b, "Disk      %s in %s, one 4 KiB write and sync %s\n", m.fileSystem, r.options.Dir, durationText(m.sync))
	if r.database != "" {
		fmt.Fprintf(&b, "Database  %s\n", r.database)
	}
	fmt.Fprintf(&b, "Program   %s, %s\n", m.program, m.golang)
	fmt.Fprintf(&b, "Settings  %d rounds of %s after %s, %s customers, four credits to one debit, a key on every entry\n\n",
		r.options.Rounds, r.options.Duration, r.options.Warmup, numberText(int64(r.options.Customers)))
	if len(r.figures) > 0 {
		b.WriteString(r.render(r.figuresTable()))
	}
	if len(r.starts) > 0 {
		b.WriteString(r.render(r.startsTable()))
	}
	if lines := r.comparisons(); len(lines) > 0 {
		b.WriteString(strings.Join(lines, "\n") + "\n\n")
	}
	for _, c := range r.checks {
		fmt.Fprintf(&b, "Checked   %s: %s acknowledged entries of %s customers, each fetched back: none lost, doubled or "+
			"different; %s refused for funds", c.store, numberText(c.acknowledged), numberText(c.customers), numberText(c.refused))
		if c.verified > 0 {
			fmt.Fprintf(&b, "; every law holds in all %s entries (%s)", numberText(c.verified), c.took.Round(time.Millisecond))
		}
		b.WriteString("\n")
	}
	if len(r.checks) == 0 {
		b.WriteString("NOT CHECKED: the run did not come to its end, so the figures prove nothing.\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *report) figuresTable() table.Writer {
	t := newTable("Requests", "Store", "Conns", "Empty/s", "Rate/s", "Ratio", "p50", "p99", "p99.9", "Max", "Server CPU", "Load CPU")
	for _, f := range r.figures {
		t.AppendRow(table.Row{
			f.name, f.store, f.connections, numberText(f.emptyRate), numberText(f.realRate), percent(f.ratio),
			durationText(f.latency.quantile(500)), durationText(f.latency.quantile(990)),
			durationText(f.latency.quantile(999)), durationText(f.latency.max),
			durationText(f.serverCPU), durationText(f.loadCPU),
		})
	}
	return t
}

// comparisons put those figures beside each other that are measured for it.
func (r *report) comparisons() (lines []string) {
	for _, store := range []string{embeddedName, postgresName, instancesName} {
		if spread, hot := r.find(spreadName, store), r.find(hotName, store); spread != nil && hot != nil {
			lines = append(lines, fmt.Sprintf("One hot wallet takes %s of the rate of many, %s.",
				percent(hot.ratio*1000/max(spread.ratio, 1)), store))
		}
	}
	for _, name := range []string{spreadName, hotName} {
		one, naive, several := r.find(name, postgresName), r.find(name, naiveName), r.find(name, instancesName)
		if one != nil && naive != nil && several != nil {
			lines = append(lines, fmt.Sprintf("PostgreSQL makes %s of what the naive transaction does, two instances %s: %s.",
				percent(medianRatio(one.rates, naive.rates)), percent(medianRatio(several.rates, naive.rates)), name))
		}
	}
	for _, h := range r.histories {
		lines = append(lines, fmt.Sprintf("An entry on top of %s costs %s of what it costs on top of %s, %s.",
			numberText(h.large), percent(h.cost), numberText(h.small), h.store))
	}
	return lines
}

// find returns the first figures of that name and store, nil when there are none.
func (r *report) find(name, store string) *figures {
	for i := range r.figures {
		if r.figures[i].name == name && r.figures[i].store == store {
			return &r.figures[i]
		}
	}
	return nil
}

func (r *report) startsTable() table.Writer {
	t := newTable("Customers", "Start to ready", "Memory at start", "After load", "At most")
	for _, s := range r.starts {
		t.AppendRow(table.Row{
			numberText(int64(s.customers)), durationText(s.ready), bytesText(s.idle), bytesText(s.loaded), bytesText(s.most),
		})
	}
	return t
}

// newTable sets every column but the first to the right.
func newTable(columns ...string) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	header := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, column := range columns {
		header[i] = column
		configs[i] = table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight}
	}
	configs[0].Align, configs[0].AlignHeader = text.AlignLeft, text.AlignLeft
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	return t
}

func (r *report) render(t table.Writer) string {
	if r.options.Markdown {
		return t.RenderMarkdown() + "\n\n"
	}
	return t.Render() + "\n\n"
}

// percent writes thousandths, such as "52.3 %".
func percent(thousandths int64) string {
	return fmt.Sprintf("%d.%d %%", thousandths/10, thousandths%10)
}

// numberText separates thousands, as in "1,234,567".
func numberText(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// durationText rounds to three digits.
func durationText(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

func bytesText(n int64) string {
	if n == 0 {
		return "–"
	}
	return numberText(n>>20) + " MiB"
}
