// Pictures alone, in folders and by pattern.
#include "media_testing.hpp"

namespace faceflow::media {
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
        EXPECT_EQ(opened->survived().count("ignored_flip"), mirrored ? 1U : 0U) << orientation;
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
}  // namespace faceflow::media
