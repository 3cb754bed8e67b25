//! Single pictures from and to files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use affekt_core::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader};

use crate::Error;

/// Reads a JPEG or PNG file, by its content whatever its name: turned upright as its EXIF data say, transparency laid
/// over black.
pub fn read_image(path: &Path) -> Result<RgbImage, Error> {
    let unreadable = |source| Error::Read { path: path.into(), source };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    decode(BufReader::new(file)).map_err(|source| Error::Decode { path: path.into(), source })
}

fn decode(file: BufReader<File>) -> Result<RgbImage, image::ImageError> {
    let mut decoder = ImageReader::new(file).with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(opaque(&picture))
}

fn opaque(picture: &DynamicImage) -> RgbImage {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if !picture.color().has_alpha() {
        return RgbImage { width, height, data: picture.to_rgb8().into_raw() };
    }
    let over_black = |pixel: &image::Rgba<u8>| {
        let [r, g, b, alpha] = pixel.0.map(u32::from);
        [r, g, b].map(|value| ((value * alpha + 127) / 255) as u8)
    };
    RgbImage { width, height, data: picture.to_rgba8().pixels().flat_map(over_black).collect() }
}

/// Writes `image` to `path`, as JPEG or PNG by the extension.
pub fn write_image(path: &Path, image: &RgbImage) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.into(), source };
    image::save_buffer(path, &image.data, image.width as u32, image.height as u32, ExtendedColorType::Rgb8)
        .map_err(failed)
}

/// `image` as the content of a JPEG file, of `quality` 1 to 100.
///
/// # Errors
/// A picture without pixels, or of more than 65,535 on a side.
pub fn jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
    let (width, height) = (image.width, image.height);
    let written = encoder.write_image(&image.data, width as u32, height as u32, ExtendedColorType::Rgb8);
    written.map_err(|source| Error::Encode { width, height, source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use affekt_core::{ErrorKind, Explain};

    use super::*;

    #[test]
    fn png_keeps_every_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        let image = RgbImage { width: 3, height: 2, data: (0..18).collect() };
        write_image(&path, &image).unwrap();
        assert_eq!(read_image(&path).unwrap(), image);
    }

    #[test]
    fn jpeg_is_made_in_memory() {
        let image = RgbImage { width: 40, height: 24, data: vec![90; 3 * 40 * 24] };
        let bytes = jpeg(&image, 90).unwrap();
        let back = opaque(&image::load_from_memory(&bytes).unwrap());
        assert_eq!((back.width, back.height), (40, 24));
        assert!(back.data.iter().all(|value| value.abs_diff(90) <= 2));
        assert!(jpeg(&image, 0).unwrap().len() <= bytes.len());
        for (width, height) in [(0, 0), (70_000, 1)] {
            let error = jpeg(&RgbImage::black(width, height), 90).unwrap_err();
            assert!(error.to_string().contains(&format!("{width} x {height}")), "{error}");
        }
    }

    #[test]
    fn transparency_lies_over_black() {
        let pixels = image::RgbaImage::from_raw(2, 1, vec![200, 100, 50, 255, 200, 100, 50, 51]).unwrap();
        assert_eq!(opaque(&pixels.into()).data, [200, 100, 50, 40, 20, 10]);
    }

    #[test]
    fn what_is_no_picture_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            folder.path().join(name)
        };
        let kind = |path: &Path| read_image(path).unwrap_err().kind();
        assert_eq!(kind(&folder.path().join("absent.png")), ErrorKind::NotFound);
        assert_eq!(kind(folder.path()), ErrorKind::IsFolder);
        assert_eq!(kind(&file("empty.jpg", b"")), ErrorKind::NotMedia);
        assert_eq!(kind(&file("page.png", b"<html></html>")), ErrorKind::NotMedia);
        assert_eq!(kind(&file("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")), ErrorKind::NotMedia);
    }

    #[test]
    fn an_output_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let image = RgbImage::black(2, 2);
        for name in ["no/such/folder.png", "picture.unknown"] {
            let error = write_image(&folder.path().join(name), &image).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unwritable, "{name}");
        }
    }
}
