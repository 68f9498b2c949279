package main

import (
	"bytes"
	"cmp"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// series is one line of a plot.
type series struct {
	name  string
	color color.Color
	value func(result) float64
}

var (
	blue   = color.RGBA{R: 31, G: 119, B: 180, A: 255}
	orange = color.RGBA{R: 255, G: 127, B: 14, A: 255}
	grey   = color.RGBA{R: 127, G: 127, B: 127, A: 255}
)

// svg draws time and memory of a first convergence against namespaces, with one secret and one account in each.
func svg(all []result) ([]byte, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(r result) bool {
		return r.Workload != workloadFirst || r.Secrets != 1 || r.Accounts != 1 || r.Unrelated > 0 || r.Apart || r.Idle > 0 || r.Attach != accounts
	})
	slices.SortFunc(all, func(a, b result) int { return cmp.Compare(a.Namespaces, b.Namespaces) })
	times, err := lines("First convergence", "seconds", all,
		series{"bare loop", grey, func(r result) float64 { return median(r.Floor) }},
		series{"bare loop, with informers", orange, func(r result) float64 { return median(r.Informed) }},
		series{"pullsecrets", blue, func(r result) float64 { return median(r.Took) }})
	if err != nil {
		return nil, err
	}
	memory, err := lines("Peak of resident memory", "MiB", all,
		series{"bound", grey, func(r result) float64 { return memoryBound(r.Namespaces, r.Secrets, r.Accounts) / (1 << 20) }},
		series{"pullsecrets", blue, func(r result) float64 { return median(r.Peak) / (1 << 20) }})
	if err != nil {
		return nil, err
	}
	canvas := vgsvg.New(24*vg.Centimeter, 9*vg.Centimeter)
	page := draw.New(canvas)
	times.Draw(draw.Crop(page, 0, -12.75*vg.Centimeter, 0, 0)) // the last label stands out
	memory.Draw(draw.Crop(page, 12.25*vg.Centimeter, -0.5*vg.Centimeter, 0, 0))
	var b bytes.Buffer
	_, err = canvas.WriteTo(&b)
	return b.Bytes(), err
}

func lines(title, unit string, all []result, of ...series) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "namespaces", unit
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for _, s := range of {
		var points plotter.XYs
		for _, r := range all {
			points = append(points, plotter.XY{X: float64(r.Namespaces), Y: s.value(r)})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, dots.Color, dots.Shape = s.color, s.color, draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(s.name, line, dots)
	}
	p.X.Min, p.Y.Min = 0, 0
	p.Y.Max *= 1.3 // room for the legend
	return p, nil
}
