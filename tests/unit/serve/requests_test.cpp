// SPDX-License-Identifier: Apache-2.0
// Addresses of requests, and who may make them.
#include <gtest/gtest.h>

#include "serve/access.hpp"
#include "serve/http.hpp"

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
