//! The few calls into FFmpeg that its wrapper lacks. All unsafe code of the crate is here and in [`hardware`].

pub(crate) mod hardware;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use ffmpeg_next::codec::Context as CodecContext;
use ffmpeg_next::color::Space;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::error::{EACCES, ENOMEM};
use ffmpeg_next::{Error, Rational, Stream, frame, media};

/// Switches FFmpeg's own log off, once a process: what matters comes back as errors and warnings.
pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
}

/// An opened container that gives up where nothing comes of its reading.
pub(crate) struct Opened {
    // In this order: the context is closed before what it watches is freed.
    input: Input,
    watch: Arc<Watch>,
}

/// How often the file was read since a packet came of it.
struct Watch {
    context: AtomicPtr<ffi::AVFormatContext>,
    position: AtomicI64,
    reads: AtomicUsize,
}

/// Of 32 KB each, so that a parser that waits for the next packet collects at most 256 MB: no packet is larger, but a
/// raw picture, which is read at once.
const MOST_READS: usize = 8_192;

impl Opened {
    /// A packet has come, or a new search begins.
    pub(crate) fn restart_watch(&self) {
        self.watch.reads.store(0, Ordering::Relaxed);
    }
}

impl Deref for Opened {
    type Target = Input;

    fn deref(&self) -> &Input {
        &self.input
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut Input {
        &mut self.input
    }
}

/// Opens the file at `path` and reads enough of it to know its streams. Playlists and their like get no other file.
pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    // The prefix keeps names such as `concat:a` or `http://b` from being read as instructions.
    let mut url = b"file:".to_vec();
    url.extend_from_slice(path.as_os_str().as_bytes());
    let url = CString::new(url).map_err(|_| Error::InvalidData)?;
    let mut options = ptr::null_mut();
    // SAFETY: all strings are nul-terminated and outlive the calls; FFmpeg frees `context` on failure; the options are
    // freed here; on success `Input` owns the context and closes it; `watch` outlives the context in every case.
    unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::from(ffi::AVERROR(ENOMEM)));
        }
        let watch = Arc::new(Watch {
            context: AtomicPtr::new(context),
            position: AtomicI64::new(0),
            reads: AtomicUsize::new(0),
        });
        let opaque = Arc::as_ptr(&watch).cast_mut().cast();
        (*context).interrupt_callback = ffi::AVIOInterruptCB { callback: Some(is_enough), opaque };
        (*context).io_open = Some(open_itself);
        // No protocol has this name: it is for demuxers that open files by a context of their own.
        ffi::av_dict_set(&mut options, c"protocol_whitelist".as_ptr(), c"none".as_ptr(), 0);
        let code = ffi::avformat_open_input(&mut context, url.as_ptr(), ptr::null(), &mut options);
        ffi::av_dict_free(&mut options);
        if code < 0 {
            return Err(Error::from(code));
        }
        let opened = Opened { input: Input::wrap(context), watch };
        match ffi::avformat_find_stream_info(context, ptr::null_mut()) {
            code if code < 0 => Err(Error::from(code)),
            _ => Ok(opened),
        }
    }
}

/// Creates the MP4 file at `path`, or empties it.
pub(crate) fn create(path: &Path) -> Result<Output, Error> {
    let mut url = b"file:".to_vec();
    url.extend_from_slice(path.as_os_str().as_bytes());
    let url = CString::new(url).map_err(|_| Error::InvalidData)?;
    let mut context = ptr::null_mut();
    // SAFETY: the strings are nul-terminated and outlive the calls; without a file the context is freed here, with one
    // `Output` owns both and closes them.
    unsafe {
        let format = c"mp4".as_ptr();
        let code = ffi::avformat_alloc_output_context2(&mut context, ptr::null_mut(), format, url.as_ptr());
        if code < 0 {
            return Err(Error::from(code));
        }
        match ffi::avio_open(&mut (*context).pb, url.as_ptr(), ffi::AVIO_FLAG_WRITE) {
            code if code < 0 => {
                ffi::avformat_free_context(context);
                Err(Error::from(code))
            }
            _ => Ok(Output::wrap(context)),
        }
    }
}

/// Whether the file has been read often enough without a packet.
///
/// # Safety
/// For FFmpeg to call, with the watch of a living context.
unsafe extern "C" fn is_enough(watch: *mut c_void) -> c_int {
    // SAFETY: the watch outlives its context, whose stream is null or living whenever FFmpeg calls.
    unsafe {
        let watch = &*watch.cast::<Watch>();
        let stream = (*watch.context.load(Ordering::Relaxed)).pb;
        if stream.is_null() {
            return 0;
        }
        // FFmpeg asks in other places, too: a read shows in the position.
        let position = (*stream).pos;
        if watch.position.swap(position, Ordering::Relaxed) != position {
            watch.reads.fetch_add(1, Ordering::Relaxed);
        }
        c_int::from(watch.reads.load(Ordering::Relaxed) > MOST_READS)
    }
}

/// Opens the file of a context, and no other that its content names.
///
/// # Safety
/// For FFmpeg to call: all pointers are those of a living context.
unsafe extern "C" fn open_itself(
    context: *mut ffi::AVFormatContext,
    stream: *mut *mut ffi::AVIOContext,
    url: *const c_char,
    flags: c_int,
    options: *mut *mut ffi::AVDictionary,
) -> c_int {
    // SAFETY: the pointers are FFmpeg's own, as its default for this callback gets them.
    unsafe {
        if !ptr::eq(stream, &raw mut (*context).pb) {
            return ffi::AVERROR(EACCES);
        }
        ffi::avio_open2(stream, url, flags, &raw const (*context).interrupt_callback, options)
    }
}

/// Whether timestamps survive a seek: not so where FFmpeg itself makes them up by counting from the start, but for
/// samples of equal size, whose place in the file is their time.
pub(crate) fn can_seek(input: &Input) -> bool {
    // SAFETY: an opened context has an input format for as long as it lives.
    let flags = unsafe { (*(*input.as_ptr()).iformat).flags };
    let counted = flags & ffi::AVFMT_GENERIC_INDEX != 0 && flags & ffi::AVFMT_TS_DISCONT == 0;
    let samples = || input.streams().all(|stream| stream.parameters().id().name().starts_with("pcm_"));
    (!counted || samples()) && flags & ffi::AVFMT_NOTIMESTAMPS == 0
}

/// The stream of this kind that FFmpeg ranks first, of the same program as the stream `related` where there are several.
pub(crate) fn best_stream(input: &Input, kind: media::Type, related: Option<usize>) -> Option<usize> {
    let related = related.and_then(|index| c_int::try_from(index).ok()).unwrap_or(-1);
    // SAFETY: the context is only read despite the mutable pointer type; no decoder is asked for.
    let index = unsafe {
        ffi::av_find_best_stream(input.as_ptr().cast_mut(), kind.into(), -1, related, ptr::null_mut(), 0)
    };
    usize::try_from(index).ok()
}

/// Whether the duration was only estimated from size and bit rate.
pub(crate) fn duration_is_estimated(input: &Input) -> bool {
    // SAFETY: the context lives as long as `input`.
    let method = unsafe { (*input.as_ptr()).duration_estimation_method };
    method == ffi::AVDurationEstimationMethod::AVFMT_DURATION_FROM_BITRATE
}

/// The ISO brand of an MP4 file, whatever bytes it has: the wrapper takes all metadata for UTF-8.
pub(crate) fn major_brand(input: &Input) -> Option<Vec<u8>> {
    // SAFETY: the dictionary may be null; its entry lives as long as the context, and its value is nul-terminated.
    unsafe {
        let entry = ffi::av_dict_get((*input.as_ptr()).metadata, c"major_brand".as_ptr(), ptr::null(), 0);
        (!entry.is_null()).then(|| CStr::from_ptr((*entry).value).to_bytes().to_owned())
    }
}

/// Makes the demuxer skip the packets of all streams but `keep`.
pub(crate) fn discard_all_but(input: &mut Input, keep: &[usize]) {
    for index in 0..input.nb_streams() as usize {
        let discard = if keep.contains(&index) {
            ffi::AVDiscard::AVDISCARD_DEFAULT
        } else {
            ffi::AVDiscard::AVDISCARD_ALL
        };
        // SAFETY: `index` is below the number of streams, and nothing else refers to the context meanwhile.
        unsafe { (**(*input.as_mut_ptr()).streams.add(index)).discard = discard };
    }
}

/// Shape of a stored pixel, from the container or else the codec; `None` for square or unknown.
pub(crate) fn pixel_shape(input: &Input, stream: &Stream<'_>) -> Option<Rational> {
    // SAFETY: the stream belongs to this context; both are only read despite the mutable pointer types; a null frame is
    // allowed.
    let ratio = unsafe {
        ffi::av_guess_sample_aspect_ratio(
            input.as_ptr().cast_mut(),
            stream.as_ptr().cast_mut(),
            ptr::null_mut(),
        )
    };
    (ratio.num > 0 && ratio.den > 0 && ratio.num != ratio.den).then_some(Rational(ratio.num, ratio.den))
}

/// Header facts of a stream: what the wrapper's parameters do not show.
pub(crate) struct StoredFacts {
    /// Stored pixels a row.
    pub(crate) width: usize,
    /// Stored rows.
    pub(crate) height: usize,
    /// Samples a second.
    pub(crate) rate: u32,
    /// Channels.
    pub(crate) channels: usize,
    /// Samples that the encoder put before the first real one.
    pub(crate) priming: i64,
}

/// Reads the codec parameters of a stream.
pub(crate) fn stored_facts(stream: &Stream<'_>) -> StoredFacts {
    // SAFETY: every stream has codec parameters for as long as its context lives, which `stream` borrows.
    let parameters = unsafe { &*(*stream.as_ptr()).codecpar };
    StoredFacts {
        width: usize::try_from(parameters.width).unwrap_or(0),
        height: usize::try_from(parameters.height).unwrap_or(0),
        rate: u32::try_from(parameters.sample_rate).unwrap_or(0),
        channels: usize::try_from(parameters.ch_layout.nb_channels).unwrap_or(0),
        priming: i64::from(parameters.initial_padding),
    }
}

/// Makes a decoder refuse pictures of more than `pixels`, so that a header cannot ask for all memory.
pub(crate) fn limit_pixels(context: &mut CodecContext, pixels: i64) {
    // SAFETY: the context is not open yet and exclusively borrowed.
    unsafe { (*context.as_mut_ptr()).max_pixels = pixels };
}

/// Tells `scaler` by which matrix and range its input encodes colours.
pub(crate) fn set_colours(scaler: &mut scaling::Context, space: Space, full_range: bool) {
    let coefficients = match space {
        Space::BT709 => ffi::SWS_CS_ITU709,
        Space::FCC => ffi::SWS_CS_FCC,
        Space::SMPTE240M => ffi::SWS_CS_SMPTE240M,
        Space::BT2020NCL | Space::BT2020CL => ffi::SWS_CS_BT2020,
        _ => ffi::SWS_CS_ITU601,
    };
    let (mut from, mut to): (*mut c_int, *mut c_int) = (ptr::null_mut(), ptr::null_mut());
    let (mut from_full, mut to_full, mut brightness, mut contrast, mut saturation) = (0, 0, 0, 0, 0);
    // SAFETY: the scaler is initialised and exclusively borrowed; the tables are static or inside it. A refusal (input
    // that is RGB already) leaves it as it was, which is right for such input.
    unsafe {
        let context = scaler.as_mut_ptr();
        let known = ffi::sws_getColorspaceDetails(
            context,
            &mut from,
            &mut from_full,
            &mut to,
            &mut to_full,
            &mut brightness,
            &mut contrast,
            &mut saturation,
        );
        if known >= 0 {
            let full = c_int::from(full_range || from_full != 0);
            let table = ffi::sws_getCoefficients(coefficients as c_int);
            ffi::sws_setColorspaceDetails(
                context, table, full, to, to_full, brightness, contrast, saturation,
            );
        }
    }
}

/// Which loudspeakers a block's channels belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Number of channels.
    pub(crate) channels: u16,
    /// A bit for each loudspeaker in the order of WAVE files; `None` where the file does not say.
    pub(crate) mask: Option<u64>,
}

impl Layout {
    fn native(self) -> ffi::AVChannelLayout {
        // SAFETY: an all-zero layout is FFmpeg's empty one; both calls fill it and allocate nothing.
        unsafe {
            let mut layout = std::mem::zeroed();
            let known =
                self.mask.is_some_and(|mask| ffi::av_channel_layout_from_mask(&mut layout, mask) >= 0);
            if !known || layout.nb_channels != c_int::from(self.channels) {
                ffi::av_channel_layout_default(&mut layout, c_int::from(self.channels));
            }
            layout
        }
    }
}

/// Samples of one moment, as a decoder gives them.
pub(crate) enum Block<'a> {
    /// From FFmpeg: any sample format.
    Frame(&'a frame::Audio),
    /// From elsewhere: one slice a channel, all of the same length.
    Planes {
        /// The samples.
        planes: &'a [Vec<f32>],
        /// Samples a second.
        rate: u32,
        /// Whose channels they are.
        layout: Layout,
    },
}

/// All that a resampler must know about its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSpec {
    format: ffi::AVSampleFormat,
    layout: Layout,
    /// Samples a second.
    pub(crate) rate: u32,
}

impl Block<'_> {
    /// Samples of one channel.
    pub(crate) fn samples(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.samples(),
            Self::Planes { planes, .. } => planes.first().map_or(0, Vec::len),
        }
    }

    /// Format, channels and rate.
    pub(crate) fn spec(&self) -> BlockSpec {
        match self {
            Self::Frame(frame) => {
                // SAFETY: the frame is alive; the mask is plain bits whatever the order says, and used only where it is valid.
                let (channels, mask) = unsafe {
                    let layout = &(*frame.as_ptr()).ch_layout;
                    let native = layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_NATIVE;
                    (layout.nb_channels, native.then_some(layout.u.mask))
                };
                let layout = Layout { channels: u16::try_from(channels).unwrap_or(0), mask };
                BlockSpec { format: frame.format().into(), layout, rate: frame.rate() }
            }
            Self::Planes { rate, layout, .. } => {
                let format = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
                BlockSpec { format, layout: *layout, rate: *rate }
            }
        }
    }
}

/// Sample rates outside these come from damaged headers; they would make hours of sound out of nothing.
const MIN_RATE: c_int = 1_000;
const MAX_RATE: c_int = 3_000_000;

/// libswresample with its default filter: any block to mono f32 at 16 kHz.
pub(crate) struct Resampler(NonNull<ffi::SwrContext>);

// SAFETY: the context is owned alone and has no ties to the thread that made it.
unsafe impl Send for Resampler {}

impl Resampler {
    /// A resampler for blocks of `spec`, mixing the channels down so that full scale stays full scale.
    pub(crate) fn new(spec: &BlockSpec, rate: u32) -> Result<Self, Error> {
        let (mut from, mut mono) = (spec.layout.native(), Layout { channels: 1, mask: None }.native());
        let (from_rate, to_rate) = (c_int::try_from(spec.rate), c_int::try_from(rate));
        let (Ok(from_rate @ MIN_RATE..=MAX_RATE), Ok(to_rate)) = (from_rate, to_rate) else {
            return Err(Error::InvalidData);
        };
        let mut context = ptr::null_mut();
        // SAFETY: the layouts outlive the call, which copies them; `context` is owned by the result from here on, so
        // that every early return frees it.
        unsafe {
            let float = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
            let code = ffi::swr_alloc_set_opts2(
                &mut context,
                &mut mono,
                float,
                to_rate,
                &mut from,
                spec.format,
                from_rate,
                0,
                ptr::null_mut(),
            );
            let resampler = NonNull::new(context).map(Self).ok_or(Error::from(code.min(-1)))?;
            ffi::av_opt_set_double(context.cast(), c"rematrix_maxval".as_ptr(), 1.0, 0);
            match ffi::swr_init(context) {
                code if code < 0 => Err(Error::from(code)),
                _ => Ok(resampler),
            }
        }
    }

    /// Puts `count` samples of silence before the next block.
    pub(crate) fn inject_silence(&mut self, count: usize) -> Result<(), Error> {
        let count = c_int::try_from(count).map_err(|_| Error::InvalidData)?;
        // SAFETY: the context is initialised and exclusively borrowed.
        match unsafe { ffi::swr_inject_silence(self.0.as_ptr(), count) } {
            code if code < 0 => Err(Error::from(code)),
            _ => Ok(()),
        }
    }

    /// Resamples `block`, of the spec that the resampler was made for, and appends what is ready to `out`.
    pub(crate) fn convert(&mut self, block: &Block<'_>, out: &mut Vec<f32>) -> Result<(), Error> {
        match block {
            // SAFETY: a decoded frame holds `samples` samples in each of its planes.
            Block::Frame(frame) => unsafe {
                self.run((*frame.as_ptr()).extended_data.cast(), frame.samples(), out)
            },
            Block::Planes { planes, .. } => {
                let pointers: Vec<*const u8> = planes.iter().map(|plane| plane.as_ptr().cast()).collect();
                // SAFETY: one pointer a channel, each to as many samples as the first, which outlive the call.
                unsafe { self.run(pointers.as_ptr(), block.samples(), out) }
            }
        }
    }

    /// Ends the input and appends what was held back for the filter's tail.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), Error> {
        // SAFETY: no input planes are read when there are none.
        unsafe { self.run(ptr::null(), 0, out) }
    }

    /// # Safety
    /// `planes` must be null, or point to a pointer for each plane of the input with `count` samples behind it.
    unsafe fn run(
        &mut self,
        planes: *const *const u8,
        count: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        let count = c_int::try_from(count).map_err(|_| Error::InvalidData)?;
        // SAFETY: `out` has room for `room` more samples when the call writes, and its length grows by what was written.
        unsafe {
            let room = ffi::swr_get_out_samples(self.0.as_ptr(), count).max(0);
            out.reserve(room as usize);
            let mut to = out.as_mut_ptr().add(out.len()).cast::<u8>();
            // The wrapper's binding is generated from the installed headers, whose constness differs by version.
            match ffi::swr_convert(self.0.as_ptr(), &raw mut to as _, room, planes as _, count) {
                code if code < 0 => Err(Error::from(code)),
                written => {
                    out.set_len(out.len() + written as usize);
                    Ok(())
                }
            }
        }
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: the context is owned and not used again.
        unsafe { ffi::swr_free(&mut context) };
    }
}
