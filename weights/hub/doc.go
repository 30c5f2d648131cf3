// Package hub fetches models from a Hugging Face endpoint into the local cache, lists what
// is there and removes it. The cache has the layout that huggingface_hub makes and is shared
// with it:
//
//	models--org--name/blobs/HASH              a file: named by its sha256 (LFS) or git's sha1
//	models--org--name/blobs/HASH.incomplete   what has come of it so far
//	models--org--name/refs/main               the commit that a branch or tag stood at
//	models--org--name/snapshots/COMMIT/unet/config.json -> ../../../../blobs/HASH
//	.locks/models--org--name/HASH.lock        held (flock) by whoever fetches the file
//
// What a pull promises:
//
//   - A blob takes its name after its size and its hash were compared with the server's list,
//     and after it was synced. What does not match leaves no file.
//   - refs/REVISION is written last: a revision that resolves is whole.
//   - What has come stays when the pull is interrupted, and is gone on from. Its beginning is
//     hashed again, so it does not matter who wrote it.
//   - The token goes to the endpoint's own scheme, host and port and nowhere else, and is in no
//     error. Addresses that the endpoint redirects to are signed: errors name their hosts alone.
//
// Nothing that a server says is believed: names are checked before they become paths, every
// path is opened below the cache (os.Root), sizes bound what is read and are never allocated,
// answers are bounded, and folders of the cache that are links are refused.
package hub
