package dolls

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"

	"cosmicman/artifact"
)

// SheetPeople is how many people a contact sheet shows at most.
const SheetPeople = sheetColumns * 5

const sheetColumns = 8

// Sheet draws the first people of a data set side by side, 8 a row, with white lines between.
func Sheet(o Options) (*image.NRGBA, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	n := min(o.Count, SheetPeople)
	columns, gap := min(n, sheetColumns), max(1, o.Width/32)
	rows := (n + columns - 1) / columns
	sheet := image.NewNRGBA(image.Rect(0, 0, columns*(o.Width+gap)-gap, rows*(o.Height+gap)-gap))
	draw.Draw(sheet, sheet.Rect, image.White, image.Point{}, draw.Src)
	for i := range n {
		d, err := o.person(i).Render(o.Style, o.Width, o.Height)
		if err != nil {
			return nil, err
		}
		at := image.Pt(i%columns*(o.Width+gap), i/columns*(o.Height+gap))
		draw.Draw(sheet, d.Image.Rect.Add(at), d.Image, image.Point{}, draw.Src)
	}
	return sheet, nil
}

// WriteSheet writes [Sheet] as a PNG.
func WriteSheet(path string, o Options) error {
	sheet, err := Sheet(o)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := png.Encode(&file, sheet); err != nil {
		return fmt.Errorf("%s cannot be encoded: %w", path, err)
	}
	return artifact.WriteFile(path, file.Bytes())
}
