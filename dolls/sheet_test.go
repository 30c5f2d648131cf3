package dolls

import (
	"image"
	"testing"
)

func TestSheet(t *testing.T) {
	for _, c := range []struct{ count, width, height int }{{1, 20, 20}, {3, 37, 42}, {11, 20, 20}, {1000, 64, 24}} {
		o := Options{Count: c.count, Seed: 61, Width: c.width, Height: c.height, Style: Shaded}
		sheet, err := Sheet(o)
		if err != nil {
			t.Fatal(err)
		}
		n, gap := min(c.count, SheetPeople), max(1, c.width/32)
		columns := min(n, sheetColumns)
		want := image.Rect(0, 0, columns*(c.width+gap)-gap, (n+columns-1)/columns*(c.height+gap)-gap)
		if sheet.Rect != want {
			t.Errorf("%+v: %v, want %v", c, sheet.Rect, want)
		}
		last := render(t, Draw(61, uint64(n-1)), Shaded, c.width, c.height)
		at := image.Pt((n-1)%columns*(c.width+gap), (n-1)/columns*(c.height+gap))
		for y := range c.height {
			for x := range c.width {
				if sheet.At(at.X+x, at.Y+y) != last.Image.At(x, y) {
					t.Fatalf("%+v: the last person differs at %d,%d", c, x, y)
				}
			}
		}
	}
	if _, err := Sheet(Options{Count: 1, Width: 4, Height: 4, Style: Pixel}); err == nil {
		t.Error("a sheet of people of 4x4 pixels")
	}
}
