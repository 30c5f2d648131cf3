package picture

import (
	"encoding/binary"
	"image"
)

// orient undoes an EXIF orientation. 5 to 8 change the sides.
func orient(m *image.NRGBA, orientation int) *image.NRGBA {
	if orientation < 2 || orientation > 8 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		out = image.NewNRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			copy(out.Pix[ty*out.Stride+4*tx:][:4], m.Pix[y*m.Stride+4*x:])
		}
	}
	return out
}

const orientationTag = 0x0112

// exifOrientation reads the orientation of an EXIF block, which is a TIFF file
// without an image; 1 where there is none or the block makes no sense.
func exifOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	count := uint64(order.Uint16(tiff[at:]))
	for entry := at + 2; count > 0 && entry+12 <= uint64(len(tiff)); count, entry = count-1, entry+12 {
		field := tiff[entry:][:12]
		if order.Uint16(field) != orientationTag || order.Uint32(field[4:]) != 1 {
			continue
		}
		o := uint32(0)
		switch order.Uint16(field[2:]) {
		case 3: // SHORT, as it should be
			o = uint32(order.Uint16(field[8:]))
		case 4: // LONG, as some write it
			o = order.Uint32(field[8:])
		}
		if o >= 1 && o <= 8 {
			return int(o)
		}
		return 1
	}
	return 1
}
