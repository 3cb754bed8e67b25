use affekt_core::RgbImage; use affekt_testkit::golden::Golden; use std::time::Instant;
use fast_image_resize::{images::Image, PixelType, Resizer, ResizeOptions, ResizeAlg, FilterType};
fn fir(s:&RgbImage,w:usize,h:usize,b:Option<[f64;4]>)->Vec<u8>{ let src=Image::from_vec_u8(s.width as u32,s.height as u32,s.data.clone(),PixelType::U8x3).unwrap(); let mut dst=Image::new(w as u32,h as u32,PixelType::U8x3);
 let mut o=ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)); if let Some(b)=b {o=o.crop(b[0],b[1],b[2]-b[0],b[3]-b[1]);}
 Resizer::new().resize(&src,&mut dst,&o).unwrap(); dst.into_vec()}
#[test] fn cmp(){ let g=Golden::open("tests/golden/resize.safetensors"); for c in 0..7 { let p=|n:String|{let t=g.tensor(&n); let (h,w,_)=t.dims3().unwrap(); RgbImage{width:w,height:h,data:t.flatten_all().unwrap().to_vec1().unwrap()}};
 let s=p(format!("source.{c}")); let r=p(format!("resized.{c}")); let b:Vec<f64>=g.tensor(&format!("box.{c}")).to_vec1().unwrap();
 let f=fir(&s,r.width,r.height,Some([b[0],b[1],b[2],b[3]])); let d:Vec<i32>=f.iter().zip(&r.data).map(|(a,b)|(*a as i32-*b as i32).abs()).collect(); println!("case {c}: fir differs in {} of {} max {}",d.iter().filter(|x|**x>0).count(),d.len(),d.iter().max().unwrap()); }
 for (w,h,tw,th) in [(1920,1080,512,288),(1280,720,512,288),(512,512,288,288),(300,300,112,112),(112,112,224,224)] { let s=RgbImage{width:w,height:h,data:(0..w*h*3).map(|i|(i*7%251) as u8).collect()};
  let t=Instant::now(); for _ in 0..10 {std::hint::black_box(affekt_faces::resize(&s,tw,th));} let a=t.elapsed().as_secs_f64()*100.; let t=Instant::now(); for _ in 0..10 {std::hint::black_box(fir(&s,tw,th,None));} let b=t.elapsed().as_secs_f64()*100.; println!("{w}x{h}->{tw}x{th} own {a:.2} ms fir {b:.2} ms"); } }
