package dashboard

import (
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "keep the pictures as they are now")

// A picture is compared in tiles, each by how far its channels are from those of the golden
// one in the mean, of 255. Another release of the browser draws the edges of letters a little
// differently; something that is missing, moved or of another colour differs by far more.
const (
	tile        = 16
	tileOff     = 10     // a tile that differs this much is another one
	tileWrong   = 48     // and no tile may differ this much
	otherTiles  = 3      // of a hundred tiles that many may be others
	pictureSize = 150000 // bytes
)

// pictures are the names of the golden pictures.
func pictures() []string {
	var names []string
	for _, page := range []string{"overview", "wallet"} {
		for _, scheme := range []string{"light", "dark"} {
			for _, device := range []string{"desktop", "phone"} {
				names = append(names, page+"-"+scheme+"-"+device+".png")
			}
		}
	}
	return names
}

// comparePictures holds those in a folder against the golden ones.
func comparePictures(t *testing.T, dir string) {
	t.Helper()
	for _, name := range pictures() {
		made, golden := filepath.Join(dir, name), filepath.Join("testdata", name)
		if *update {
			content, err := os.ReadFile(made)
			if err == nil {
				err = os.WriteFile(golden, content, 0o644)
			}
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if says := difference(readPicture(t, golden), readPicture(t, made)); says != "" {
			kept := filepath.Join(os.TempDir(), "billfold-"+name)
			_ = os.Rename(made, kept) // at best
			t.Errorf("%s %s; look at %s, and run the test with -update if it is meant so", name, says, kept)
		}
	}
}

func readPicture(t *testing.T, path string) *image.RGBA {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() > pictureSize {
		t.Errorf("%s: got %v, %v; want at most %d bytes", path, info.Size(), err, pictureSize)
	}
	read, err := png.Decode(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	picture := image.NewRGBA(read.Bounds())
	draw.Draw(picture, picture.Bounds(), read, read.Bounds().Min, draw.Src)
	return picture
}

// difference says how two pictures differ, or nothing where they are as good as the same.
func difference(golden, got *image.RGBA) string {
	if golden.Bounds() != got.Bounds() {
		return "has another size"
	}
	tiles, others := 0, 0
	for y := 0; y < got.Rect.Dy(); y += tile {
		for x := 0; x < got.Rect.Dx(); x += tile {
			off := tileDifference(golden, got, x, y)
			if off >= tileWrong {
				return "has something else at " + image.Pt(x, y).String()
			}
			tiles++
			if off >= tileOff {
				others++
			}
		}
	}
	if others*100 > tiles*otherTiles {
		return "differs in too many places"
	}
	return ""
}

func tileDifference(a, b *image.RGBA, x, y int) int {
	area := image.Rect(x, y, x+tile, y+tile).Intersect(a.Rect)
	sum, count := 0, 0
	for row := area.Min.Y; row < area.Max.Y; row++ {
		from, to := a.PixOffset(area.Min.X, row), a.PixOffset(area.Max.X, row)
		for i := from; i < to; i++ {
			off := int(a.Pix[i]) - int(b.Pix[i])
			sum += max(off, -off)
			count++
		}
	}
	return sum / count
}

// TestPicturesThatDifferAreNoticed spoils the golden pictures, and wants that noticed, and
// roughens them as another browser would, and wants that overlooked.
func TestPicturesThatDifferAreNoticed(t *testing.T) {
	for _, name := range pictures() {
		golden := readPicture(t, filepath.Join("testdata", name))
		size := golden.Bounds().Size()
		random := rand.New(rand.NewPCG(1, 1))
		rough := copyOf(golden)
		for i := range rough.Pix {
			if random.IntN(4) == 0 && i%4 != 3 {
				rough.Pix[i] = uint8(min(max(int(rough.Pix[i])+random.IntN(25)-12, 0), 255))
			}
		}
		if says := difference(golden, rough); says != "" {
			t.Errorf("%s: a little rougher, it %s; want that overlooked", name, says)
		}
		for what, spoil := range map[string]func(*image.RGBA){
			"a panel is missing": func(p *image.RGBA) {
				fill(p, image.Rect(size.X/4, size.Y/4, size.X, size.Y*3/4), golden.RGBAAt(size.X-1, size.Y-1))
			},
			"a button has another colour": func(p *image.RGBA) {
				fill(p, image.Rect(size.X/2, size.Y/2, size.X/2+96, size.Y/2+32), color.RGBA{R: 220, G: 60, B: 40, A: 255})
			},
			"all has moved": func(p *image.RGBA) {
				draw.Draw(p, image.Rect(0, 60, size.X, size.Y), golden, image.Pt(0, 52), draw.Src)
			},
			"it is in the other scheme": func(p *image.RGBA) {
				for i := range p.Pix {
					if i%4 != 3 {
						p.Pix[i] = 255 - p.Pix[i]
					}
				}
			},
		} {
			other := copyOf(golden)
			spoil(other)
			if difference(golden, other) == "" {
				t.Errorf("%s: %s, and it is taken for the same", name, what)
			}
		}
	}
}

func copyOf(p *image.RGBA) *image.RGBA {
	other := image.NewRGBA(p.Rect)
	copy(other.Pix, p.Pix)
	return other
}

func fill(p *image.RGBA, area image.Rectangle, with color.RGBA) {
	draw.Draw(p, area, image.NewUniform(with), image.Point{}, draw.Src)
}
