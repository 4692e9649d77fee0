// SPDX-License-Identifier: Apache-2.0
// Addresses of requests, and who may make them.
#include <gtest/gtest.h>

#include "serve/access.hpp"
#include "serve/http.hpp"
#include "serve/http_client.hpp"
#include "serve/option_json.hpp"

namespace faceflow::internal::serve {
namespace {

TEST(request_target, is_taken_apart_and_decoded) {
    http_request r;
    ASSERT_TRUE(split_target("/v1/sources/a%20b?token=x%2By+z&empty&k=1=2", r));
    EXPECT_EQ(r.path, "/v1/sources/a b");
    EXPECT_EQ(r.query.find("token")->second, "x+y z");
    EXPECT_EQ(r.query.find("empty")->second, "");
    EXPECT_EQ(r.query.find("k")->second, "1=2");
    ASSERT_TRUE(split_target("/", r));
    EXPECT_TRUE(r.query.empty()) << "nothing of the request before is left";
}

TEST(request_target, that_is_not_well_formed_is_refused) {
    http_request r;
    for (const char* target :
         {"", "v1", "http://host/", "/%", "/%4", "/%zz", "/%00", "/?a=%", "/?%g=1", "/a b", "/?a=\t"})
        EXPECT_FALSE(split_target(target, r)) << target;
}

TEST(range_of_a_request, is_one_of_bytes) {
    const auto range = [](std::string_view header) {
        const auto r = parse_range(header, 10);
        return r ? std::pair(r->offset, r->length) : std::pair(std::uint64_t{0}, std::uint64_t{99});
    };
    using pair = std::pair<std::uint64_t, std::uint64_t>;
    EXPECT_EQ(range("bytes=0-0"), pair(0, 1));
    EXPECT_EQ(range("bytes=3-"), pair(3, 7));
    EXPECT_EQ(range("bytes=3-18446744073709551615"), pair(3, 7));
    EXPECT_EQ(range("bytes=-4"), pair(6, 4));
    EXPECT_EQ(range("bytes=-40"), pair(0, 10));
    EXPECT_EQ(range("bytes=-0").second, 0u);
    EXPECT_EQ(range("bytes=10-").second, 0u);
    EXPECT_EQ(parse_range("bytes=0-", 0)->length, 0u);
    EXPECT_EQ(parse_range("bytes=-1", 0)->length, 0u);
}

TEST(range_of_a_request, of_another_form_means_the_whole_content) {
    for (const char* header : {"", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "bytes=a-b", "bytes=1",
                               "bytes= 1-2", "bytes=+1-2", "bytes=18446744073709551616-", "lines=1-2"})
        EXPECT_FALSE(parse_range(header, 10)) << header;
}

TEST(service_address, is_a_host_and_a_port_with_or_without_a_scheme) {
    const auto text = [](std::string_view given) {
        const auto a = parse_service_address(given);
        return a ? to_text(*a) : "none";
    };
    EXPECT_EQ(text("8091"), "http://127.0.0.1:8091/");
    EXPECT_EQ(text(":8091"), "http://127.0.0.1:8091/");
    EXPECT_EQ(text("localhost"), "http://localhost:8080/");
    EXPECT_EQ(text("http://lab.example/"), "http://lab.example:80/");
    EXPECT_EQ(text("https://lab.example"), "https://lab.example:443/");
    EXPECT_EQ(text("https://[::1]:8443/v1"), "https://[::1]:8443/");
    for (const char* wrong : {"", "ftp://x", "a b", "x:", "x:1x", "x:123456", "[::1]8080", "[::1", "http://"})
        EXPECT_FALSE(parse_service_address(wrong)) << wrong;
}

TEST(options_of_clients, are_those_of_faces_and_the_flow) {
    options o;
    ASSERT_TRUE(set_options({{"flow", "cached"}, {"max_faces", 3}, {"smooth", true}, {"min_score", 0.75}}, o));
    EXPECT_EQ(o.flow, flow_kind::cached);
    EXPECT_EQ(o.max_faces, 3);
    EXPECT_TRUE(o.smooth);
    EXPECT_FLOAT_EQ(o.min_score, 0.75F);
    const auto all = options_json(o);
    EXPECT_EQ(all["flow"]["value"], "cached");
    EXPECT_EQ(all["max_faces"]["least"], 1);
    for (const char* operators : {"device", "models", "threads", "device_memory", "pacing", "engines", "cache"})
        EXPECT_FALSE(all.contains(operators)) << operators;
}

TEST(listen_address, is_an_ip_address_and_a_port) {
    EXPECT_EQ(parse_listen_address("8080")->host, "127.0.0.1");
    EXPECT_EQ(parse_listen_address(":0")->port, 0);
    EXPECT_EQ(parse_listen_address("localhost:1")->host, "127.0.0.1");
    EXPECT_EQ(parse_listen_address("0.0.0.0:65535")->port, 65535);
    EXPECT_EQ(parse_listen_address("[::1]:80")->host, "::1");
    for (const char* text : {"", ":", "localhost", "example.com:80", "1.2.3:80", "127.0.0.1:", "127.0.0.1:65536",
                             "127.0.0.1:x", "[::1]:-1"})
        EXPECT_FALSE(parse_listen_address(text)) << text;
    EXPECT_TRUE(is_loopback(*parse_listen_address("127.1.2.3:80")));
    EXPECT_TRUE(is_loopback(*parse_listen_address("[::1]:80")));
    EXPECT_FALSE(is_loopback(*parse_listen_address("0.0.0.0:80")));
}

TEST(access_to_the_service, on_loopback_is_for_names_of_this_machine) {
    const access_rules rules(true, "");
    for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"})
        EXPECT_EQ(rules.check({.host = host}), 0) << host;
    for (const char* host : {"", "evil.example", "localhost.evil.example", "10.0.0.1:8080", "[::2]:8080"})
        EXPECT_EQ(rules.check({.host = host}), 421) << host;
    EXPECT_EQ(access_rules(false, "").check({.host = "camera.lab"}), 0);
}

TEST(access_to_the_service, is_for_pages_of_its_own) {
    const access_rules rules(true, "");
    EXPECT_EQ(rules.check({.host = "localhost:80", .origin = "http://localhost:80"}), 0);
    for (const char* origin : {"http://localhost:81", "http://evil.example", "null", "localhost:80"})
        EXPECT_EQ(rules.check({.host = "localhost:80", .origin = origin}), 403) << origin;
}

TEST(access_to_the_service, with_a_token_is_for_who_has_it) {
    const access_rules rules(false, "secret");
    EXPECT_EQ(rules.check({.authorization = "Bearer secret"}), 0);
    EXPECT_EQ(rules.check({.token = "secret"}), 0);
    for (const char* given : {"", "s", "secre", "secrets", "secretsecret", "SECRET"}) {
        EXPECT_EQ(rules.check({.token = given}), 401) << given;
        const std::string bearer = std::string("Bearer ") + given;
        EXPECT_EQ(rules.check({.authorization = bearer, .token = "secret"}), 401) << given;
    }
    EXPECT_EQ(rules.check({.authorization = "Basic secret"}), 401);
}

}  // namespace
}  // namespace faceflow::internal::serve
