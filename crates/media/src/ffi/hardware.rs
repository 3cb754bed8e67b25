//! Pictures decoded by a card, through FFmpeg's hardware contexts.

use std::ffi::{CString, c_int};
use std::iter;
use std::ptr::{self, NonNull};

use ffmpeg_next::codec::Context as CodecContext;
use ffmpeg_next::ffi;
use ffmpeg_next::util::error::ENOMEM;
use ffmpeg_next::{Error, frame};

const CUDA: ffi::AVHWDeviceType = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_CUDA;
const ON_CARD: ffi::AVPixelFormat = ffi::AVPixelFormat::AV_PIX_FMT_CUDA;

/// Whether the linked FFmpeg knows cards of CUDA.
pub(crate) fn is_built_in() -> bool {
    let first = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_NONE;
    // SAFETY: goes from one kind of device to the next; after the last comes the first again, which is none.
    let next = |kind: &ffi::AVHWDeviceType| Some(unsafe { ffi::av_hwdevice_iterate_types(*kind) });
    iter::successors(next(&first), next).take_while(|kind| *kind != first).any(|kind| kind == CUDA)
}

/// A card that decodes.
pub(crate) struct Card(NonNull<ffi::AVBufferRef>);

impl Card {
    /// The card of that index, from 0.
    pub(crate) fn open(index: usize) -> Result<Self, Error> {
        let name = CString::new(index.to_string()).map_err(|_| Error::InvalidData)?;
        let mut device = ptr::null_mut();
        // SAFETY: the name is nul-terminated and outlives the call; the reference that it gives is owned by the result.
        let code =
            unsafe { ffi::av_hwdevice_ctx_create(&mut device, CUDA, name.as_ptr(), ptr::null_mut(), 0) };
        if code < 0 {
            return Err(Error::from(code));
        }
        NonNull::new(device).map(Self).ok_or(Error::from(ffi::AVERROR(ENOMEM)))
    }

    /// The same card once more.
    pub(crate) fn again(&self) -> Result<Self, Error> {
        // SAFETY: the reference is alive; the new one is owned by the result.
        let reference = unsafe { ffi::av_buffer_ref(self.0.as_ptr()) };
        NonNull::new(reference).map(Self).ok_or(Error::from(ffi::AVERROR(ENOMEM)))
    }

    /// Has `context`, which is not open yet, decode on the card wherever that takes the film; `false` where the codec is none
    /// that it is given.
    pub(crate) fn give_to(&self, context: &mut CodecContext) -> Result<bool, Error> {
        // SAFETY: the codec is static; the context is not open yet and exclusively borrowed, and owns the new reference.
        unsafe {
            let context = context.as_mut_ptr();
            let codec = ffi::avcodec_find_decoder((*context).codec_id);
            if codec.is_null() || !takes(codec) {
                return Ok(false);
            }
            let reference = ffi::av_buffer_ref(self.0.as_ptr());
            if reference.is_null() {
                return Err(Error::from(ffi::AVERROR(ENOMEM)));
            }
            (*context).hw_device_ctx = reference;
            (*context).get_format = Some(choose);
            Ok(true)
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let mut device = self.0.as_ptr();
        // SAFETY: the reference is owned and not used again; decoders have their own.
        unsafe { ffi::av_buffer_unref(&mut device) };
    }
}

// SAFETY: the reference is owned alone and has no ties to the thread that made it; FFmpeg counts references atomically.
unsafe impl Send for Card {}

/// Codecs whose standards prescribe every bit of the picture: what a card makes of them, the processor makes, too.
const PRESCRIBED: [ffi::AVCodecID; 5] = [
    ffi::AVCodecID::AV_CODEC_ID_H264,
    ffi::AVCodecID::AV_CODEC_ID_HEVC,
    ffi::AVCodecID::AV_CODEC_ID_VP8,
    ffi::AVCodecID::AV_CODEC_ID_VP9,
    ffi::AVCodecID::AV_CODEC_ID_AV1,
];

/// Whether `codec` can decode on a card of CUDA that it is given, and gives the processor's picture there.
///
/// # Safety
/// It is one of FFmpeg's codecs.
unsafe fn takes(codec: *const ffi::AVCodec) -> bool {
    // SAFETY: codecs are static.
    if !PRESCRIBED.contains(unsafe { &(*codec).id }) {
        return false;
    }
    let by_device = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as c_int;
    // SAFETY: the entries are static; behind the last comes null.
    let configs = (0..).map_while(|index| unsafe { ffi::avcodec_get_hw_config(codec, index).as_ref() });
    configs.into_iter().any(|config| {
        config.device_type == CUDA && config.pix_fmt == ON_CARD && config.methods & by_device != 0
    })
}

/// The card's format where the decoder offers it; it does not, or no more, where the card does not take this film. Then the
/// first that is in ordinary memory.
///
/// # Safety
/// For FFmpeg to call, with a list that ends in none.
unsafe extern "C" fn choose(
    _context: *mut ffi::AVCodecContext,
    formats: *const ffi::AVPixelFormat,
) -> ffi::AVPixelFormat {
    let none = ffi::AVPixelFormat::AV_PIX_FMT_NONE;
    // SAFETY: the list ends in none.
    let offered = || (0..).map(|at| unsafe { *formats.add(at) }).take_while(|format| *format != none);
    let is_plain = |format: &ffi::AVPixelFormat| {
        // SAFETY: descriptions are static, or null for formats that FFmpeg does not know.
        let description = unsafe { ffi::av_pix_fmt_desc_get(*format).as_ref() };
        let on_hardware = u64::from(ffi::AV_PIX_FMT_FLAG_HWACCEL as u32);
        description.is_some_and(|description| description.flags & on_hardware == 0)
    };
    let on_card = offered().find(|format| *format == ON_CARD);
    on_card.or_else(|| offered().find(is_plain)).unwrap_or(none)
}

/// Whether `picture` lies on a card.
pub(crate) fn is_on_card(picture: &frame::Video) -> bool {
    // SAFETY: the frame is alive; without data its format is none.
    unsafe { (*picture.as_ptr()).format == ON_CARD as c_int }
}

/// Brings `picture` from the card, with everything that is known of it, into `plain`, cropped as it should be.
pub(crate) fn download(picture: &frame::Video, plain: &mut frame::Video) -> Result<(), Error> {
    let checked = |code: c_int| if code < 0 { Err(Error::from(code)) } else { Ok(()) };
    // SAFETY: both frames are alive, and `plain` is exclusively borrowed; it is emptied first, so that the call allocates
    // what it needs.
    unsafe {
        let (from, to) = (picture.as_ptr(), plain.as_mut_ptr());
        ffi::av_frame_unref(to);
        checked(ffi::av_hwframe_transfer_data(to, from, 0))?;
        checked(ffi::av_frame_copy_props(to, from))?;
        // On a card the decoder crops right and below only.
        checked(ffi::av_frame_apply_cropping(to, ffi::AV_FRAME_CROP_UNALIGNED as c_int))
    }
}
