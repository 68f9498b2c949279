package monitoring

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	picture      = "../../docs/monitoring.svg"
	columns      = 3
	panelWidth   = 11 * vg.Centimeter
	panelHeight  = 6 * vg.Centimeter
	shownLegends = 7
)

// drawn are the panels that the picture has: those over time.
func drawn() (all []panel) {
	for _, r := range dashboardRows {
		for _, p := range r.panels {
			if p.kind == lines {
				all = append(all, p)
			}
		}
	}
	return all
}

// draw writes the picture for docs/metrics.md: what the panels show of the story, by their own queries.
func (s *scene) draw(began, ended time.Time) {
	s.T.Helper()
	all := drawn()
	rows := (len(all) + columns - 1) / columns
	canvas := vgsvg.New(columns*panelWidth, vg.Length(rows)*panelHeight)
	page := draw.New(canvas)
	page.FillPolygon(color.White, page.ClipPolygonXY([]vg.Point{{}, {X: page.Max.X}, page.Max, {Y: page.Max.Y}}))
	for i, p := range all {
		x, y := vg.Length(i%columns)*panelWidth, vg.Length(rows-1-i/columns)*panelHeight
		s.plot(p, began, ended).Draw(draw.Crop(page, x+0.3*vg.Centimeter, x+panelWidth-page.Max.X-0.4*vg.Centimeter, y+0.2*vg.Centimeter, y+panelHeight-page.Max.Y-0.3*vg.Centimeter))
	}
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	must(s.T, err)
	must(s.T, os.WriteFile(picture, b.Bytes(), 0o644))
}

// units are Grafana's, in words.
var units = map[string]string{"s": " (s)", "ops": " (1/s)", "wps": " (1/s)", "bytes": " (MiB)", "percentunit": " (%)"}

// scales are what values are multiplied by for that.
var scales = map[string]float64{"bytes": 1.0 / (1 << 20), "percentunit": 100}

func (s *scene) plot(p panel, began, ended time.Time) *plot.Plot {
	s.T.Helper()
	out := plot.New()
	out.BackgroundColor = color.White
	out.Title.Text = p.title + units[p.unit]
	out.Title.TextStyle.Font.Size, out.Legend.TextStyle.Font.Size = 11, 7
	out.X.Tick.Label.Font.Size, out.Y.Tick.Label.Font.Size = 7, 7
	out.Legend.Top, out.Legend.Left = true, true
	out.Add(plotter.NewGrid())
	step := max(ended.Sub(began)/150, time.Second).Round(time.Second)
	scale, n := max(scales[p.unit], 0), 0
	if scale == 0 {
		scale = 1
	}
	top, bottom := 1.0, 0.0
	for _, q := range p.queries {
		result, err := s.prometheus.ask(grafana.Replace(q.expr), began, ended, step)
		must(s.T, err)
		slices.SortFunc(result, func(a, b series) int { return strings.Compare(legend(q, a), legend(q, b)) })
		for _, one := range result {
			points := plotter.XYs{}
			flush := func() { // a line ends where there is nothing
				if len(points) == 0 {
					return
				}
				line, err := plotter.NewLine(points)
				must(s.T, err)
				line.Color, line.Width = plotutil.Color(n), vg.Points(1.2)
				out.Add(line)
				points = plotter.XYs{}
			}
			for _, v := range one.Values {
				value, err := strconv.ParseFloat(v[1].(string), 64)
				if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
					flush()
					continue
				}
				x := (v[0].(float64) - float64(began.Unix())) / 60
				if len(points) > 0 && x-points[len(points)-1].X > 1.5*step.Minutes() {
					flush()
				}
				points = append(points, plotter.XY{X: x, Y: value * scale})
				top, bottom = max(top, value*scale), min(bottom, value*scale)
			}
			flush()
			if n < shownLegends {
				sample, err := plotter.NewLine(plotter.XYs{{}})
				must(s.T, err)
				sample.Color, sample.Width = plotutil.Color(n), vg.Points(1.2)
				out.Legend.Add(legend(q, one), sample)
			}
			n++
		}
	}
	out.X.Min, out.X.Max = 0, ended.Sub(began).Minutes()
	out.Y.Min, out.Y.Max = bottom, top*(1.1+0.09*float64(min(n, shownLegends))) // room for the legend
	return out
}

var label = regexp.MustCompile(`\{\{(\w+)\}\}`)

// legend is that of a series, as Grafana writes it.
func legend(q query, one series) string {
	return label.ReplaceAllStringFunc(q.legend, func(text string) string { return one.Metric[strings.Trim(text, "{}")] })
}

// TestThePictureHasEveryPanel that shows something over time.
func TestThePictureHasEveryPanel(t *testing.T) {
	text := read(t, picture)
	for _, p := range drawn() {
		if !strings.Contains(text, ">"+strings.NewReplacer("&", "&amp;").Replace(p.title)) {
			t.Errorf("%s lacks the panel %q: run make monitoring-test TESTFLAGS=-update", picture, p.title)
		}
	}
	if n := len(text); n > 1<<20 {
		t.Errorf("it has %d bytes", n)
	}
}
