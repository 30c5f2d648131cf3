"""What TensorBoard reads in the event files of package train/journal: train/journal/testdata/tensorboard.json.

    go test ./train/journal -run TensorBoard -update    # write testdata/tensorboard/
    python3 oracle/eventfiles.py                       # read it, write tensorboard.json
    python3 oracle/eventfiles.py RUN/tensorboard       # print what another folder has

Needs the package tensorboard, which brings protobuf and numpy, and neither TensorFlow nor torch.
"""

import json
import pathlib
import sys

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import COMPRESSED_HISTOGRAMS, HISTOGRAMS, IMAGES, SCALARS, TENSORS, EventAccumulator

OUT = pathlib.Path(__file__).parent.parent / "train/journal/testdata"


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={IMAGES: 0, SCALARS: 0, TENSORS: 0, HISTOGRAMS: 1, COMPRESSED_HISTOGRAMS: 1}).Reload()
    tags = events.Tags()
    return {
        "versions": {"tensorboard": tensorboard.version.VERSION},
        "scalars": {t: [[e.step, e.value] for e in events.Scalars(t)] for t in sorted(tags["scalars"])},
        "images": {
            t: [
                {"step": e.step, "width": e.width, "height": e.height, "data": e.encoded_image_string.decode() if e.encoded_image_string[:1] != b"\x89" else "PNG"}
                for e in events.Images(t)
            ]
            for t in sorted(tags["images"])
        },
        "texts": {t: [s.decode() for e in events.Tensors(t) for s in e.tensor_proto.string_val] for t in sorted(tags["tensors"])},
    }


if len(sys.argv) > 1:
    json.dump(read(sys.argv[1]), sys.stdout, indent=1)
else:
    (OUT / "tensorboard.json").write_text(json.dumps(read(OUT / "tensorboard"), separators=(",", ":")) + "\n")
