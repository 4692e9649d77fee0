// SPDX-License-Identifier: Apache-2.0
// Pictures alone, in folders and by pattern.
#include "media_testing.hpp"
#include "picture_bytes.hpp"

namespace faceflow::internal::media {
namespace {

using namespace testing_media;

std::string folder_of_pictures() {
    for (const char* n : {"1", "2", "10"}) {
        make(std::string("album/im") + n + ".png", std::string("-f lavfi -i testsrc2=s=") + n + "0x40 -frames:v 1");
    }
    write_bytes(at("album/im3.jpg"), "junk");
    write_bytes(at("album/.hidden.png"), "junk");
    write_bytes(at("album/notes.txt"), "junk");
    return at("album");
}

TEST(media_pictures, a_folder_comes_in_natural_order_at_25_a_second) {
    const auto opened = open_or_fail(folder_of_pictures());
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->info().kind, source_kind::images);
    EXPECT_EQ(opened->info().frames, 4);
    EXPECT_EQ(opened->info().width, 10);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 3U);
    EXPECT_EQ(read.frames[0].path, at("album/im1.png"));
    EXPECT_EQ(read.frames[1].path, at("album/im2.png"));
    EXPECT_EQ(read.frames[2].path, at("album/im10.png"));
    EXPECT_EQ(read.frames[2].frame.id.sequence, 2U);
    EXPECT_EQ(read.frames[2].frame.pts_ns, 3 * 40'000'000);  // the unreadable one keeps its moment
    EXPECT_EQ(read.frames[2].frame.picture.width, 100);
}

TEST(media_pictures, an_unreadable_one_is_an_error_for_its_turn) {
    const auto opened = open_or_fail(folder_of_pictures());
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.errors.size(), 1U);
    EXPECT_EQ(read.errors[0].code, errc::corrupt);
    EXPECT_NE(read.errors[0].message.find("im3.jpg"), std::string::npos);
    EXPECT_EQ(opened->survived().at("corrupt_picture"), 1U);
}

TEST(media_pictures, a_pattern_picks) {
    folder_of_pictures();
    const auto opened = open_or_fail(at("album/*.png"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(read_all(*opened).frames.size(), 3U);
}

TEST(media_pictures, a_folder_takes_what_is_one_by_its_content_and_tells_of_the_rest) {
    const std::string encoder = "-f lavfi -i testsrc2=s=64x48 -frames:v 1 ";
    for (const char* name : {"1.exr", "2.pcx", "3.jxl", "4.sgi", "5.pam", "6.tga", "7.dpx", "8.pfm", "9.pix"})
        make(std::string("kinds/") + name, encoder);
    make("kinds/10.avif", encoder + "-c:v libaom-av1 -still-picture 1");
    std::filesystem::copy_file(at("kinds/1.exr"), at("kinds/11.strange"));
    std::filesystem::copy_file(at("kinds/2.pcx"), at("kinds/12"));
    std::filesystem::copy_file(plain_video(), at("kinds/video.mp4"));
    write_bytes(at("kinds/a.txt"), "a text");
    write_bytes(at("kinds/notes10.md"), "a text");
    write_bytes(at("kinds/notes9.md"), "a text");
    write_bytes(at("kinds/empty"), "");
    write_bytes(at("kinds/.hidden"), "a text");
    std::filesystem::create_directory(at("kinds/folder"));
    for (const std::string& input : {at("kinds"), at("kinds/*")}) {
        const auto opened = open_or_fail(input);
        ASSERT_TRUE(opened);
        const everything read = read_all(*opened);
        EXPECT_TRUE(read.errors.empty()) << read.errors.front().message;
        ASSERT_EQ(read.frames.size(), 12U);
        EXPECT_EQ(read.frames.back().path, at("kinds/12"));
        EXPECT_EQ(opened->survived().at("left_out"), 5U);
        ASSERT_EQ(opened->info().notes.size(), 1U);
        EXPECT_EQ(opened->info().notes[0], "left out 5 files of " + input +
                                               " that are no pictures: a.txt, empty, notes9.md, notes10.md, video.mp4");
    }
}

TEST(media_pictures, a_folder_of_a_thousand_other_files_is_told_of_briefly) {
    make("busy/a.png", "-f lavfi -i testsrc2=s=64x48 -frames:v 1");
    for (int i = 0; i < 1000; ++i)
        write_bytes(at("busy/" + std::to_string(i) + ".txt"), "text");
    const auto opened = open_or_fail(at("busy"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->info().notes.at(0), "left out 1000 files of " + at("busy") +
                                              " that are no pictures: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 995 more");
}

TEST(media_pictures, start_and_end_count_pictures) {
    folder_of_pictures();
    source_options options;
    options.start_seconds = 0.04;
    options.end_seconds = 0.08;
    const auto opened = open_or_fail(at("album/*.png"), options);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 1U);
    EXPECT_EQ(read.frames[0].path, at("album/im2.png"));
}

TEST(media_pictures, every_still_format_is_one_frame) {
    for (const char* kind : {"png", "jpg", "bmp", "webp", "tif", "tga", "pgm", "gif"}) {
        const std::string path = make(std::string("still.") + kind, "-f lavfi -i testsrc2=s=64x48 -frames:v 1");
        const auto opened = open_or_fail(path);
        ASSERT_TRUE(opened) << kind;
        const everything read = read_all(*opened);
        ASSERT_EQ(read.frames.size(), 1U) << kind;
        EXPECT_EQ(read.frames[0].frame.picture.width, 64) << kind;
        EXPECT_EQ(opened->info().kind, source_kind::file);
    }
}

class media_many_pictures : public testing::TestWithParam<std::pair<const char*, const char*>> {};

// One that stands for itself; with its neighbours it would be a frame of a video.
TEST_P(media_many_pictures, give_the_first_and_say_so) {
    const std::string path = at(std::string("many/") + GetParam().first);
    std::filesystem::create_directories(at("many"));
    if (path.ends_with(".tif")) {
        const std::string page = read_bytes(make("page.tif", "-f lavfi -i testsrc2=s=64x48 -frames:v 1"));
        write_bytes(path, tiff_of_pages(page, 3));
    } else if (path.ends_with(".ico")) {
        const std::string png = read_bytes(make("icon.png", "-f lavfi -i testsrc2=s=64x64 -frames:v 1 -pix_fmt rgba"));
        write_bytes(path, icon_of({png, png}));
    } else {
        make(std::string("many/") + GetParam().first, "-f lavfi -i testsrc2=s=64x48:r=5:d=1");
    }
    const auto opened = open_or_fail(path.ends_with(".gif") ? at("many/*.gif") : path);
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    ASSERT_EQ(read.frames.size(), 1U);
    EXPECT_EQ(read.frames[0].note, path + GetParam().second);
    EXPECT_EQ(opened->survived().at("first_picture_only"), 1U);
}

INSTANTIATE_TEST_SUITE_P(of, media_many_pictures,
                         testing::Values(std::pair{"pages.tif", " has 3 pages; the first one is read"},
                                         std::pair{"two.ico", " has 2 pictures; one is read"},
                                         std::pair{"moving.gif", " moves; its first picture is read"}));

TEST(media_pictures, directories_of_a_tiff_in_a_ring_are_one_page) {
    const std::string page = read_bytes(make("page.tif", "-f lavfi -i testsrc2=s=64x48 -frames:v 1"));
    for (const int ring : {1, 2, 5}) {
        write_bytes(at("ring.tif"), tiff_of_pages(page, ring, true));
        const auto opened = open_or_fail(at("ring.tif"));
        ASSERT_TRUE(opened);
        const everything read = read_all(*opened);
        ASSERT_EQ(read.frames.size(), 1U);
        EXPECT_EQ(read.frames[0].note, "");
    }
}

TEST(media_pictures, that_this_ffmpeg_cannot_read_say_so) {
    make("moving.webp", "-f lavfi -i testsrc2=s=64x48:r=5:d=1 -c:v libwebp_anim");
    const std::string avif =
        read_bytes(make("still.avif", "-f lavfi -i testsrc2=s=64x48 -frames:v 1 -c:v libaom-av1 -still-picture 1"));
    write_bytes(at("tiles.heic"), heif_of(avif, "heic", "grid"));
    write_bytes(at("tiles.avif"), heif_of(avif, "avif", "grid"));
    write_bytes(at("single.heic"), heif_of(avif, "heic", "hvc1"));
    write_bytes(at("big.tif"), std::string("II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", 16) + std::string(200, '\0'));
    // Arithmetic coding.
    std::string jpeg = read_bytes(make("coded.jpg", "-f lavfi -i testsrc2=s=64x48 -frames:v 1"));
    jpeg[jpeg.find("\xff\xc0") + 1] = '\xc9';
    write_bytes(at("arithmetic.jpg"), jpeg);
    for (const auto& [file, what] : {std::pair{"moving.webp", "an animated WebP"},
                                     {"big.tif", "a BigTIFF"},
                                     {"arithmetic.jpg", "a kind of jpeg"},
                                     {"tiles.heic", "made of tiles"},
                                     {"tiles.avif", "made of tiles"},
                                     {"single.heic", "an HEIC picture"}}) {
        const auto opened = open_source(at(file), {});
        ASSERT_FALSE(opened) << file;
        EXPECT_NE(opened.error().message.find(what), std::string::npos) << opened.error().message;
        EXPECT_NE(opened.error().message.find("this FFmpeg cannot read; convert"), std::string::npos)
            << opened.error().message;
        EXPECT_EQ(opened.error().message.find("damaged"), std::string::npos);
    }
}

TEST(media_pictures, that_are_too_large_name_the_limit) {
    make("too_wide.png", "-f lavfi -i color=red:s=64x4 -frames:v 1 -vf scale=16385:4 -pix_fmt rgb24");
    make("just_wide.png", "-f lavfi -i color=red:s=16384x4 -frames:v 1");
    EXPECT_TRUE(open_or_fail(at("just_wide.png")));
    // More than libavcodec itself takes.
    std::string huge = read_bytes(at("too_wide.png"));
    huge.replace(16, 8, number(40'000, 4) + number(40'000, 4));
    write_bytes(at("too_huge.png"), huge);
    make("too_tall.mkv", "-f lavfi -i color=red:s=4x16400 -frames:v 1 -c:v ffv1");
    for (const auto& [file, size] :
         {std::pair{"too_wide.png", "16385x4"}, {"too_huge.png", "40000x40000"}, {"too_tall.mkv", "4x16400"}}) {
        const auto opened = open_source(at(file), {});
        ASSERT_FALSE(opened) << file;
        EXPECT_NE(opened.error().message.find(size), std::string::npos) << opened.error().message;
        EXPECT_NE(opened.error().message.find("at most 16384x16384"), std::string::npos) << opened.error().message;
    }
}

TEST(media_pictures, an_animated_gif_is_a_video) {
    const auto opened = open_or_fail(make("moving.gif", "-f lavfi -i testsrc2=s=64x48:r=10:d=1"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(read_all(*opened).frames.size(), 10U);
}

TEST(media_pictures, content_counts_and_not_the_name) {
    const std::string png = make("liar.png", "-f lavfi -i testsrc2=s=64x48 -frames:v 1");
    std::filesystem::copy_file(png, at("liar.jpg"), std::filesystem::copy_options::overwrite_existing);
    const auto opened = open_or_fail(at("liar.jpg"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->info().codec, "png");
}

TEST(media_pictures, jpegs_turn_as_their_exif_says) {
    const std::string plain =
        read_bytes(make("turn.jpg", "-f lavfi -i testsrc2=s=64x48 -frames:v 1 -pix_fmt yuvj420p"));
    constexpr std::array turns = {rotation::none, rotation::none, rotation::cw180, rotation::cw180,
                                  rotation::cw90, rotation::cw90, rotation::cw270, rotation::cw270};
    for (int orientation = 1; orientation <= 8; ++orientation) {
        std::string exif(
            "\xff\xe1\x00\x22"
            "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0",
            36);
        exif[29] = static_cast<char>(orientation);
        write_bytes(at("exif.jpg"), plain.substr(0, 2) + exif + plain.substr(2));
        const auto opened = open_or_fail(at("exif.jpg"));
        ASSERT_TRUE(opened);
        const everything read = read_all(*opened);
        ASSERT_EQ(read.frames.size(), 1U);
        const image& picture = read.frames[0].frame.picture;
        EXPECT_EQ(picture.turn, turns[static_cast<std::size_t>(orientation - 1)]) << orientation;
        EXPECT_EQ(opened->info().width, picture.sideways() ? 48 : 64);
        const bool mirrored = orientation == 2 || orientation == 4 || orientation == 5 || orientation == 7;
        EXPECT_EQ(picture.mirrored, mirrored) << orientation;
        EXPECT_EQ(picture.matrix, colour_matrix::bt601);
        EXPECT_EQ(picture.range, colour_range::full);
        EXPECT_EQ(picture.site, chroma_site::centre);
    }
}

TEST(media_pictures, a_jpeg_that_was_cut_off_shows_its_upper_part) {
    const std::string whole = read_bytes(make("whole.jpg", "-f lavfi -i testsrc2=s=320x240 -frames:v 1 -q:v 2"));
    write_bytes(at("cut.jpg"), whole.substr(0, whole.size() / 2));
    const auto opened = open_or_fail(at("cut.jpg"));
    ASSERT_TRUE(opened);
    EXPECT_EQ(read_all(*opened).frames.size(), 1U);
}

TEST(media_pictures, a_folder_of_nothing_but_junk_gives_an_error_each) {
    for (const char* file : {"junk/a.png", "junk/b.png"}) {
        std::filesystem::create_directories(at("junk"));
        write_bytes(at(file), "junk");
    }
    const auto opened = open_or_fail(at("junk"));
    ASSERT_TRUE(opened);
    const everything read = read_all(*opened);
    EXPECT_TRUE(read.frames.empty());
    EXPECT_EQ(read.errors.size(), 2U);
}

TEST(media_pictures, interrupt_ends_them) {
    const auto opened = open_or_fail(folder_of_pictures());
    ASSERT_TRUE(opened);
    opened->interrupt();
    const auto next = opened->next();
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().code, errc::interrupted);
}

}  // namespace
}  // namespace faceflow::internal::media
