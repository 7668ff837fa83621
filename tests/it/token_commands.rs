//! Making, listing and revoking tokens, and the questions to GMS below that.

use std::sync::Arc;

use datahub_emitter::auth::{FixedToken, Token, TokenSource};
use datahub_emitter::embedded::{Action, Fault};
use datahub_emitter::gms::{Client, ClientSettings, GraphqlAnswer, ServerAddress};
use serde_json::json;

use crate::server::Server;

fn client(server: &Server, token: &str) -> Client {
    let tokens = FixedToken::new(Token::new(token, TokenSource::Recipe));
    let address = ServerAddress::parse(server.url()).unwrap();
    Client::new(&ClientSettings { tokens: Some(Arc::new(tokens)), ..ClientSettings::new(address) }).unwrap()
}

fn status(code: u16, body: &str) -> Fault {
    Fault::new(Action::Status { code, headers: Vec::new(), body: body.into() })
}

#[test]
fn gms_tells_who_the_caller_is() {
    let server = Server::start();
    let good = client(&server, server.token());
    let me = server.block_on(good.me()).unwrap().unwrap();
    assert_eq!(me.urn, "urn:li:corpuser:datahub");
    assert!(me.generate_tokens && me.manage_tokens);
    let refused = server.block_on(client(&server, "no.such.token").me()).unwrap_err();
    assert_eq!(refused.diagnosis().unwrap().code.kind(), Some(datahub_emitter::ErrorKind::Refused));
}

#[test]
fn what_gms_does_not_answer_is_not_known_and_what_refuses_is_an_error() {
    let server = Server::start();
    let client = client(&server, server.token());
    for code in [400, 404, 429, 500, 503] {
        server.gms().fault(status(code, ""));
        let answer = server.block_on(client.graphql("{ me { corpUser { urn } } }", &json!({}))).unwrap();
        assert!(matches!(answer, GraphqlAnswer::NotKnown(_)), "{code}: {answer:?}");
        assert_eq!(server.block_on(client.me()).unwrap(), None, "{code}");
        server.gms().clear_faults();
    }
    for fault in [status(401, ""), status(403, ""), status(302, ""), Fault::new(Action::Html)] {
        server.gms().fault(fault.clone());
        assert!(server.block_on(client.me()).unwrap_err().diagnosis().is_some(), "{fault:?}");
        server.gms().clear_faults();
    }
    let answer = server.block_on(client.graphql("{ me { shoeSize } }", &json!({}))).unwrap();
    let GraphqlAnswer::Errors(errors) = answer else { panic!("{answer:?}") };
    assert!(errors[0].is_of_schema(), "{errors:?}");
    let unauthorised = "mutation revoke($id: String!) { revokeAccessToken(tokenId: $id) }";
    let answer = server.block_on(client.graphql(unauthorised, &json!({"id": "x"}))).unwrap();
    let GraphqlAnswer::Errors(errors) = answer else { panic!("{answer:?}") };
    assert_eq!(errors[0].code, Some(500), "{errors:?}");
}
