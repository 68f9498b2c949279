package page

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "take the pictures in docs anew")

// made are the parts of a page that each one has anew: when it was made, and ages.
var made = regexp.MustCompile(`\d+ \w+ \d{4}, \d\d:\d\d(:\d\d)? UTC|<span class="age">[^<]*</span>`)

// The pictures in the documentation are of the pages as they are.
func TestThePictureIsOfThisPage(t *testing.T) {
	file, text := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	p := open(t, file, scheme("light"), chromedp.EmulateViewport(1280, 900))
	p.pictured("coverage", text)
}

func TestThePictureIsOfTheLivePage(t *testing.T) {
	c := company()
	c.hold(c.ending("-tools", 14)...)
	address := serve(t, "-dump", c.write(t))
	p := openAt(t, address, scheme("light"), chromedp.EmulateViewport(1280, 900))
	p.pictured("ui", get(t, address))
}

// pictured holds the picture of a document, which has the hash of the text that the picture was taken of, against the page.
func (p *tab) pictured(name, text string) {
	t := p.t
	t.Helper()
	picture, document := "../../docs/"+name+".png", "../../docs/"+name+".md"
	note := fmt.Sprintf("<!-- %s.png: %x -->", name, sha256.Sum256([]byte(made.ReplaceAllString(text, ""))))
	noted := regexp.MustCompile(`<!-- ` + name + `.png: [0-9a-f]* -->`)
	taken := p.picture()
	if *update {
		write(t, picture, taken)
		content, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		write(t, document, []byte(noted.ReplaceAllString(string(content), note)))
	}
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), note) {
		t.Errorf("docs/%s.png is of an earlier page: make page-test TESTFLAGS=-update, and look at it", name)
	}
	shown, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	config, err := png.DecodeConfig(bytes.NewReader(shown))
	if err != nil || config.Width != 1280 || config.Height < 900 || len(shown) > 200<<10 {
		t.Errorf("the picture is %dx%d in %d bytes: %v", config.Width, config.Height, len(shown), err)
	}
}

// picture is of the page down to its matrix.
func (p *tab) picture() []byte {
	p.t.Helper()
	height := eval[float64](p, `document.querySelector('[aria-labelledby=h-matrix]').getBoundingClientRect().bottom + scrollY + 40`)
	var shot []byte
	p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		shot, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithClip(&page.Viewport{Width: 1280, Height: height, Scale: 1}).Do(ctx)
		return err
	}))
	return p.small(shot)
}

// small has the colours that are most frequent, and each of the others as the one that is nearest.
func (p *tab) small(shot []byte) []byte {
	p.t.Helper()
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Fatal(err)
	}
	counts := map[color.RGBA]int{}
	for y := full.Bounds().Min.Y; y < full.Bounds().Max.Y; y++ {
		for x := full.Bounds().Min.X; x < full.Bounds().Max.X; x++ {
			counts[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range frequent[:min(len(frequent), 128)] {
		palette = append(palette, c)
	}
	few := image.NewPaletted(full.Bounds(), palette)
	draw.Draw(few, few.Bounds(), full, full.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few); err != nil {
		p.t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
